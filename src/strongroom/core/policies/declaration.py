"""What the uploader says about the file must be true.

The form repeats what the archive holds, and each client gets other fields wrong;
so only name, version, type and digests are compared, each if it is given. Does not
take anything from the form: the archive decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from strongroom.core.model import PackageType
from strongroom.core.names import ProjectName, Sha256
from strongroom.core.policy import ALLOW, Refuse, Verdict


@dataclass(frozen=True, slots=True)
class Digests:
    """What the bytes hash to, in lower-case hexadecimal."""

    sha256: Sha256
    md5: str
    blake2b_256: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the uploader says; None where he says nothing."""

    project: ProjectName | None = None
    version: Version | None = None
    package_type: PackageType | None = None
    sha256: str | None = None
    md5: str | None = None
    blake2b_256: str | None = None


NOTHING_DECLARED = Declaration()


def judge_digests(declared: Declaration, digests: Digests) -> Verdict:
    """Refuse if any given digest is not that of the bytes that arrived."""
    pairs = (
        ("sha256", declared.sha256, digests.sha256),
        ("blake2_256", declared.blake2b_256, digests.blake2b_256),
        ("md5", declared.md5, digests.md5),
    )
    for algorithm, said, actual in pairs:
        if said is not None and said != actual:
            return Refuse(
                "digest-mismatch",
                f"The {algorithm} digest in the form is {said}, but the bytes that arrived have {actual}",
                "Upload again: the file was changed or damaged on the way.",
            )
    return ALLOW


def judge_identity(
    declared: Declaration, *, project: ProjectName, version: Version, package_type: PackageType
) -> Verdict:
    """Refuse if the form names another project, version or type than the archive."""
    pairs = (
        ("name", declared.project, project),
        ("version", declared.version, version),
        ("filetype", declared.package_type, package_type),
    )
    for field, said, actual in pairs:
        if said is not None and said != actual:
            return Refuse(
                f"form-{field}",
                f"The form says {field} '{said}', but the file holds '{actual}'",
                "Build the distribution again and upload what the build made.",
            )
    return ALLOW
