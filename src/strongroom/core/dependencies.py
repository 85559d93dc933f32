"""What a distribution needs, by name and version, and whether an index could give it.

Reads Requires-Dist of the metadata. What only an extra or no usual environment asks for
does not count, and a direct URL comes from elsewhere. Does not resolve anything: whether
all requirements can be met together is for installers to find out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidName
from strongroom.core.names import ProjectName, parse_project_name

_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_SYSTEMS = (("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt"))
_MACHINES = ("x86_64", "arm64")
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement of a promoted release; `wanted_by` names the release."""

    project: ProjectName
    specifier: SpecifierSet
    wanted_by: str

    def __str__(self) -> str:
        """Name it as messages do."""
        return f"{self.project}{self.specifier}"

    def is_met_by(self, versions: Iterable[Version]) -> bool:
        """Return whether one of the versions will do; a pre-release does where no final version does, as for pip."""
        return any(True for _ in self.specifier.filter(versions))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of the metadata that is no requirement (PEP 508)."""

    text: str
    wanted_by: str

    def __str__(self) -> str:
        """Name it as messages do."""
        return ascii(self.text[:80])


def read_needs(metadata: bytes, *, wanted_by: str) -> Iterator[Need | Unreadable]:
    """Yield what the distribution of this METADATA or PKG-INFO requires."""
    fields = BytesHeaderParser().parsebytes(metadata)
    for line in fields.get_all("Requires-Dist", []):
        text = " ".join(str(line).split())
        try:
            requirement = Requirement(text)
            project = parse_project_name(requirement.name)
        except (InvalidRequirement, InvalidName):
            yield Unreadable(text, wanted_by)
            continue
        if requirement.url is None and (requirement.marker is None or _is_usual(requirement.marker)):
            yield Need(project, requirement.specifier, wanted_by)


def describe_missing(missing: Iterable[Need | Unreadable], *, index: str) -> str:
    """Say in one sentence what an index lacks."""
    wanted: dict[str, dict[str, None]] = {}
    for item in missing:
        wanted.setdefault(str(item), {})[item.wanted_by] = None
    said = [f"{need} (for {', '.join(by)})" for need, by in wanted.items()]
    more = f" and {len(said) - _MOST_SHOWN} more" if len(said) > _MOST_SHOWN else ""
    return f"The index '{index}' does not have {', '.join(said[:_MOST_SHOWN])}{more}"


def _is_usual(marker: Marker) -> bool:
    """Return whether the marker holds in one of the usual environments, without extras."""
    return any(marker.evaluate(environment) for environment in _usual_environments())


def _usual_environments() -> Iterator[dict[str, str]]:
    for python in _PYTHONS:
        for platform, system, os_name in _SYSTEMS:
            for machine in _MACHINES:
                yield {
                    "extra": "",
                    "implementation_name": "cpython",
                    "implementation_version": f"{python}.0",
                    "os_name": os_name,
                    "platform_machine": machine,
                    "platform_python_implementation": "CPython",
                    "platform_release": "",
                    "platform_system": system,
                    "platform_version": "",
                    "python_full_version": f"{python}.0",
                    "python_version": python,
                    "sys_platform": platform,
                }
