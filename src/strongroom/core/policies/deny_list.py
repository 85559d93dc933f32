"""Projects and versions on an index's deny-list don't come through.

Does not read the list (`rule_text.py`). What the allow-list says does not matter here:
being denied is stronger.
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict

DENIED = "denied"


def judge_denied(file: UpstreamFile, denied: tuple[SpecifierSet, ...]) -> Verdict:
    """Refuse if one of the sets holds the version.

    `denied` is what the list says about the file's project: nothing, if it does not name it.
    """
    for versions in denied:
        if versions.contains(file.version, prereleases=True):
            what = "Every version" if not versions else f"Version {file.version}"
            return Refuse(
                DENIED,
                f"{what} of '{file.project}' is on the deny-list ({file.project}{versions})",
                "Use another project." if not versions else "Use another version.",
            )
    return ALLOW
