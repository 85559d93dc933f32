"""Some indexes pass wheels only: installing an sdist runs code of its author's.

Does not judge own files.
"""

from __future__ import annotations

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.model import PackageType
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules

SDIST = "sdist"


def judge_type(file: UpstreamFile, rules: Rules) -> Verdict:
    """Refuse an sdist where none may come through."""
    if rules.takes_sdists or file.package_type is not PackageType.SDIST:
        return ALLOW
    return Refuse(
        SDIST,
        f"{file.filename} is an sdist, and only wheels come through",
        "Use a version that has a wheel for your platform.",
    )
