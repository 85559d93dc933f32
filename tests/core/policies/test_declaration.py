"""What the uploader says about the file must be true."""

from __future__ import annotations

import pytest
from packaging.version import Version

from strongroom.core.model import PackageType
from strongroom.core.names import parse_project_name
from strongroom.core.policies.declaration import NOTHING_DECLARED, Declaration, Digests, judge_digests, judge_identity
from strongroom.core.policy import ALLOW, Refuse, Verdict
from tests.factories import DEMO, sha256_of

_DIGESTS = Digests(sha256_of("bytes"), md5="d" * 32, blake2b_256="b" * 64)


def _judge(declared: Declaration) -> Verdict:
    return judge_identity(declared, project=DEMO, version=Version("1.0"), package_type=PackageType.WHEEL)


def test_nothing_said_is_nothing_wrong() -> None:
    """A form without digests and without names passes: the archive has them all."""
    assert judge_digests(NOTHING_DECLARED, _DIGESTS) is ALLOW
    assert _judge(NOTHING_DECLARED) is ALLOW


def test_true_statements_pass() -> None:
    """All three digests, name, version and type as they are."""
    declared = Declaration(
        DEMO, Version("1.0"), PackageType.WHEEL, _DIGESTS.sha256, md5=_DIGESTS.md5, blake2b_256=_DIGESTS.blake2b_256
    )
    assert judge_digests(declared, _DIGESTS) is ALLOW
    assert _judge(declared) is ALLOW


def test_versions_are_compared_as_versions() -> None:
    """1.0.0 in the form is the 1.0 of the archive."""
    assert _judge(Declaration(version=Version("1.0.0"))) is ALLOW


@pytest.mark.parametrize(
    ("declared", "algorithm"),
    [
        (Declaration(sha256="0" * 64), "sha256"),
        (Declaration(md5="0" * 32), "md5"),
        (Declaration(blake2b_256="0" * 64), "blake2_256"),
        (Declaration(sha256=_DIGESTS.sha256, md5="0" * 32), "md5"),
    ],
)
def test_each_given_digest_is_checked(declared: Declaration, algorithm: str) -> None:
    """One wrong digest is enough, whatever the others say."""
    verdict = judge_digests(declared, _DIGESTS)
    assert isinstance(verdict, Refuse)
    assert verdict.code == "digest-mismatch"
    assert f"The {algorithm} digest" in verdict.reason


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        (Declaration(project=parse_project_name("other")), "form-name"),
        (Declaration(version=Version("2.0")), "form-version"),
        (Declaration(package_type=PackageType.SDIST), "form-filetype"),
    ],
)
def test_each_wrong_statement_is_refused(declared: Declaration, code: str) -> None:
    """The refusal shows both what the form says and what the file holds."""
    verdict = _judge(declared)
    assert isinstance(verdict, Refuse)
    assert verdict.code == code
    assert "but the file holds" in verdict.reason
