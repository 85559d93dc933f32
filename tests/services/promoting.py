"""Three stages of a house, five packages that need each other, and hands to promote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from packaging.version import Version

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.access import Grant, Right
from strongroom.core.caller import Caller
from strongroom.core.model import File
from strongroom.core.names import IndexName, ProjectName, parse_index_name, parse_project_name
from strongroom.core.promotions import Promotion
from strongroom.ports import NameKnowledge, Transaction
from strongroom.services.promotion import Options, Outcome, Promotions
from strongroom.services.promotion.dependencies import Dependencies
from tests.factories import OPERATOR, a_caller, a_file, a_grant, a_project, a_user, an_index
from tests.fake_mirror import FakeMirror
from tests.replacing import replace
from tests.services.house import House, wait

T = TypeVar("T")
FIVE = ("api", "auth", "billing", "core", "web")
USUAL = Options()


class FakeNames:
    """`ports.KnownNames` as a dictionary; `asked` lists what was looked up."""

    def __init__(self) -> None:
        self.known: dict[str, NameKnowledge] = {}
        self.asked: list[str] = []

    async def look_up(
        self, project: ProjectName, *, with_lookalikes: bool = True, nameable: frozenset[IndexName] | None = None
    ) -> NameKnowledge:
        """Return what is known, which is certain unless something else was said."""
        self.asked.append(project)
        known = self.known.get(project, NameKnowledge((), is_certain=True))
        named = tuple(index for index in known.upstreams if nameable is None or index in nameable)
        told = replace(known, upstreams=named, is_elsewhere=len(named) < len(known.upstreams))
        return told if with_lookalikes else replace(told, lookalikes=())


class Stages:
    """The indexes dev, staging and main, with five packages in staging."""

    def __init__(self) -> None:
        self.house = House()
        self.mirror = FakeMirror()
        self.names = FakeNames()
        self.blobs = MemoryBlobs()
        for name in ("dev", "staging", "main"):
            self.house.add_index(an_index(name))
        for name in FIVE:
            self.house.add_files(a_project(name, index="staging"), staged(f"{name}-1.0-py3-none-any.whl"))

    @property
    def promotions(self) -> Promotions:
        """Return the use cases."""
        house = self.house
        dependencies = Dependencies(house.catalog, self.blobs, house.clock, self.mirror)
        return Promotions(house.catalog, house.clock, house.secrets, dependencies, self.names)

    def promote(self, *named: str, caller: Caller = OPERATOR, to: str = "main", options: Options = USUAL) -> Outcome:
        """Promote releases out of staging."""
        target = parse_index_name(to)
        source = IndexName("staging")
        return wait(self.promotions.promote(caller, selections(*named), source=source, target=target, options=options))

    def request(self, *named: str, caller: Caller = OPERATOR) -> Promotion:
        """Promote into main, which needs approval from now on."""
        self.house.change(lambda tx: tx.indexes.replace(replace(an_index(), needs_approval=True)))
        promotion = self.promote(*named, caller=caller).promotion
        assert promotion is not None
        return promotion

    def person(self, name: str, *grants: Grant) -> Caller:
        """Make a user with these grants, and return him signed in."""
        self.house.add_user(a_user(name), *grants)
        return a_caller(name, *grants)

    def developer(self) -> Caller:
        """Make bob, who reads staging and uploads to main."""
        return self.person("bob", a_grant(Right.READ, index="staging"), a_grant(Right.READ, Right.UPLOAD, index="main"))

    def keeper(self) -> Caller:
        """Make eve, who manages main and reads staging."""
        return self.person("eve", a_grant(Right.READ, index="staging"), a_grant(Right.READ, Right.MANAGE, index="main"))

    def visible(self, index: str = "main") -> list[str]:
        """Return the filenames in an index."""
        name = parse_index_name(index)
        return sorted(file.filename for file in self.look(lambda tx: tuple(tx.files.scan())) if file.index == name)

    def look(self, fn: Callable[[Transaction], T]) -> T:
        """Read the catalog."""
        return self.house.look(fn)


def staged(filename: str) -> File:
    """Make a file of staging."""
    return a_file(filename, index="staging", serial=1)


def wheels(*names: str) -> list[str]:
    """Return the filenames of the projects' first wheels."""
    return [f"{name}-1.0-py3-none-any.whl" for name in names]


def selections(*named: str) -> tuple[tuple[ProjectName, Version | None], ...]:
    """Read `name` and `name==version`."""
    pairs = [name.partition("==") for name in named]
    return tuple((parse_project_name(name), Version(version) if version else None) for name, _, version in pairs)
