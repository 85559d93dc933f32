"""Indexes, projects and files in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from strongroom.adapters.memory.state import State, require
from strongroom.core.model import File, Index, Project, Tombstone
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256


class MemoryIndexes:
    """`ports.Indexes` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, name: IndexName) -> Index | None:
        return self._state.indexes.get(name)

    def list(self) -> tuple[Index, ...]:
        return tuple(sorted(self._state.indexes.values(), key=lambda index: index.name))

    def add(self, index: Index) -> None:
        indexes = self._state.changing().indexes
        require(holds=index.name not in indexes, otherwise=f"There is an index called '{index.name}' already")
        indexes[index.name] = index

    def replace(self, index: Index) -> None:
        indexes = self._state.changing().indexes
        require(holds=index.name in indexes, otherwise=f"There is no index called '{index.name}'")
        indexes[index.name] = index

    def remove(self, name: IndexName) -> None:
        state = self._state.changing()
        is_empty = all(index != name for index, _ in state.projects)
        require(holds=is_empty, otherwise=f"The index '{name}' has projects")
        state.indexes.pop(name, None)


class MemoryProjects:
    """`ports.Projects` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName, name: ProjectName) -> Project | None:
        return self._state.projects.get((index, name))

    def list(self, index: IndexName) -> tuple[Project, ...]:
        found = (project for project in self._state.projects.values() if project.index == index)
        return tuple(sorted(found, key=lambda project: project.name))

    def save(self, project: Project) -> None:
        state = self._state.changing()
        require(holds=project.index in state.indexes, otherwise=f"There is no index called '{project.index}'")
        state.projects[project.index, project.name] = project

    def remove(self, index: IndexName, name: ProjectName) -> None:
        state = self._state.changing()
        is_empty = all((file.index, file.project) != (index, name) for file in state.files.values())
        require(holds=is_empty, otherwise=f"The project '{name}' has files")
        state.projects.pop((index, name), None)

    def find_owners(self, name: ProjectName) -> frozenset[IndexName]:
        projects = {index for index, project in self._state.projects if project == name}
        return frozenset(projects | {item.index for item in self._state.tombstones.values() if item.project == name})


class MemoryFiles:
    """`ports.Files` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName, filename: Filename) -> File | None:
        return self._state.files.get((index, filename))

    def list(self, index: IndexName, project: ProjectName) -> tuple[File, ...]:
        files = self._state.files.values()
        return tuple(file for file in files if (file.index, file.project) == (index, project))

    def add(self, file: File) -> None:
        state = self._state.changing()
        key = (file.index, file.filename)
        require(holds=key not in state.files, otherwise=f"There is a file called '{file.filename}' already")
        self._require_project(file)
        state.files[key] = file

    def replace(self, file: File) -> None:
        state = self._state.changing()
        key = (file.index, file.filename)
        require(holds=key in state.files, otherwise=f"There is no file called '{file.filename}'")
        self._require_project(file)
        state.files[key] = file

    def bury(self, tombstone: Tombstone) -> None:
        state = self._state.changing()
        key = (tombstone.index, tombstone.filename)
        state.tombstones[key] = tombstone
        state.files.pop(key, None)

    def find_tombstone(self, index: IndexName, filename: Filename) -> Tombstone | None:
        return self._state.tombstones.get((index, filename))

    def count(self, index: IndexName) -> int:
        return sum(owner == index for owner, _ in self._state.files)

    def scan(self) -> Iterator[File]:
        yield from tuple(self._state.files.values())

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        return self._named().intersection(digests)

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        return tuple(sorted(sha256 for sha256 in self._named() if sha256 >= first)[:limit])

    def _named(self) -> frozenset[Sha256]:
        files = self._state.files.values()
        named = (sha256 for file in files for sha256 in (file.sha256, file.metadata_sha256, file.provenance_sha256))
        return frozenset(sha256 for sha256 in named if sha256 is not None)

    def _require_project(self, file: File) -> None:
        is_known = (file.index, file.project) in self._state.projects
        require(holds=is_known, otherwise=f"There is no project called '{file.project}'")
