"""An archived or quarantined project takes no uploads (PEP 792).

Does not decide what such a project shows.
"""

from __future__ import annotations

from strongroom.core.model import Project
from strongroom.core.policy import ALLOW, Refuse, Verdict


def judge_status(project: Project | None) -> Verdict:
    """Refuse unless the project is new or its status takes uploads."""
    if project is None or project.status.takes_uploads:
        return ALLOW
    because = f" ({project.status_reason})" if project.status_reason else ""
    return Refuse(
        f"project-{project.status}",
        f"The project '{project.name}' is {project.status}{because} and takes no uploads",
        "Somebody who manages the project can set its status back to active.",
    )
