"""Where an index has an allow-list, only the projects and versions on it come through.

Does not read the list (`rule_text.py`), and a version that the deny-list names too is
refused there.
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict

NOT_ALLOWED = "not-allowed"


def judge_allowed(file: UpstreamFile, allowed: tuple[SpecifierSet, ...]) -> Verdict:
    """Refuse unless one of the sets holds the version.

    `allowed` is what the list says about the file's project: nothing, if it does not name it.
    """
    if any(versions.contains(file.version, prereleases=True) for versions in allowed):
        return ALLOW
    if not allowed:
        return Refuse(NOT_ALLOWED, f"The project '{file.project}' is not on the allow-list")
    listed = " or ".join(f"{file.project}{versions}" for versions in allowed)
    return Refuse(
        NOT_ALLOWED,
        f"Version {file.version} of '{file.project}' is not on the allow-list",
        f"Use a version that is: {listed}.",
    )
