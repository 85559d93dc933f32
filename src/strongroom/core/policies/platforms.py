"""Only wheels for the platforms that an organisation has come through.

Reads the platform tags in the wheel's name (PEP 425, several of them joined by dots).
A wheel for any platform always passes; sdists have none and are judged elsewhere.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.model import PackageType
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules

PLATFORM = "platform"
_ANY = "any"


def judge_platform(file: UpstreamFile, rules: Rules) -> Verdict:
    """Refuse a wheel none of whose platforms is wanted."""
    if not rules.platforms or file.package_type is not PackageType.WHEEL:
        return ALLOW
    tags = file.filename.removesuffix(".whl").rpartition("-")[2].lower().split(".")
    if any(tag == _ANY or fnmatchcase(tag, pattern) for tag in tags for pattern in rules.platforms):
        return ALLOW
    return Refuse(
        PLATFORM,
        f"{file.filename} is for {', '.join(tags)}, and wheels come through for {', '.join(rules.platforms)}",
        "Use a wheel for one of these platforms, or the sdist.",
    )
