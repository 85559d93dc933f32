"""A name that exists upstream does not become an index's own by accident.

Decides on the first upload of a name only, from the kept lists of the upstreams'
names: who installs it would get other software from then on, so somebody has to
claim the name first. Look-alikes are allowed, and said. Does not judge names that
the index has, had, reserved, claimed or overlays.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.names import IndexName, ProjectName
from strongroom.core.policy import ALLOW, Refuse, Verdict

NAME_EXISTS_UPSTREAM = "name-exists-upstream"
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Namesakes:
    """What else is called so, or nearly so.

    `upstreams` are the indexes whose upstream has the name. `is_certain`: the lists of
    all upstreams are here, so that none means none. `lookalikes` are other names, own
    and upstream, that a reader takes for it.
    """

    upstreams: tuple[str, ...] = ()
    is_certain: bool = True
    lookalikes: tuple[str, ...] = ()
    is_elsewhere: bool = False


def judge_upstream_name(project: ProjectName, index: IndexName, *, namesakes: Namesakes) -> Verdict:
    """Refuse the first file of a name that exists upstream."""
    if not namesakes.upstreams and not namesakes.is_elsewhere:
        return ALLOW
    of = f"the index {_listed(namesakes.upstreams)}" if namesakes.upstreams else "another index of this server"
    return Refuse(
        NAME_EXISTS_UPSTREAM,
        f"A project '{project}' exists in the upstream of {of}: from this file "
        f"on, whoever installs '{project}' through '{index}' would get only the files of '{index}'",
        f"Choose another name; or, if that is what you want, let somebody who manages the index say so: "
        f"strongroom name claim {project} --index {index}",
    )


def remark_namesakes(project: ProjectName, *, namesakes: Namesakes) -> tuple[str, ...]:
    """Return what whoever makes this name his own should know, as sentences."""
    remarks: list[str] = []
    if not namesakes.is_certain and not namesakes.upstreams:
        remarks.append(
            f"Whether '{project}' exists upstream too could not be checked: "
            "the list of an upstream's names is not here yet."
        )
    if namesakes.lookalikes:
        remarks.append(f"'{project}' is easily taken for {_listed(namesakes.lookalikes)}.")
    return tuple(remarks)


def _listed(names: tuple[str, ...]) -> str:
    shown = [f"'{name}'" for name in names[:_MOST_SHOWN]]
    if len(names) > _MOST_SHOWN:
        shown.append(f"{len(names) - _MOST_SHOWN} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
