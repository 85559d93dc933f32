"""Only files under permitted licences come through."""

from __future__ import annotations

import pytest

from strongroom.core.mirrored import Copy
from strongroom.core.policies.licence import LICENCE, judge_licence
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.rules import NO_RULES, Rules
from tests.factories import a_copy, an_upstream_file, sha256_of
from tests.replacing import replace

WHEEL, TARBALL = an_upstream_file("demo-1.0-py3-none-any.whl"), an_upstream_file("demo-1.0.tar.gz")
PERMISSIVE = Rules(licences=("MIT", "Apache-2.0"))
ONLY_STATED = Rules(takes_unknown_licences=False)


def read(licence: str | None) -> Copy:
    """Make a copy whose METADATA says this."""
    return replace(a_copy(), licence=licence)


@pytest.mark.parametrize("copy", [None, read(None)])
def test_what_nobody_has_read_yet_passes(copy: Copy | None) -> None:
    """In the listing, where METADATA is not at hand: it is read before the file is served."""
    assert judge_licence(WHEEL, replace(PERMISSIVE, takes_unknown_licences=False), copy=copy) is ALLOW


@pytest.mark.parametrize("licence", ["MIT", "GPL-3.0-only OR MIT", "MIT AND Apache-2.0"])
def test_a_permitted_licence_passes(licence: str) -> None:
    """One side of a choice is enough, and of all that hold at once each is needed."""
    assert judge_licence(WHEEL, PERMISSIVE, copy=read(licence)) is ALLOW


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "MIT AND GPL-3.0-only"])
def test_another_licence_is_refused(licence: str) -> None:
    """With the licence, and those that are permitted; without a list every stated licence passes."""
    verdict = judge_licence(WHEEL, PERMISSIVE, copy=read(licence))
    assert isinstance(verdict, Refuse)
    assert (verdict.code, verdict.reason) == (
        LICENCE,
        f"demo-1.0-py3-none-any.whl is licensed under {licence}, and these come through: MIT, Apache-2.0",
    )
    for rules in (NO_RULES, ONLY_STATED):
        assert judge_licence(WHEEL, rules, copy=read(licence)) is ALLOW


def test_a_file_that_states_none_passes_unless_none_may() -> None:
    """A list of licences alone does not refuse it."""
    assert judge_licence(WHEEL, PERMISSIVE, copy=read("")) is ALLOW
    verdict = judge_licence(WHEEL, ONLY_STATED, copy=read(""))
    assert isinstance(verdict, Refuse)
    assert verdict.code == LICENCE
    assert "states no licence" in verdict.reason


def test_a_file_without_metadata_states_none() -> None:
    """An old sdist: there is nothing to be read first, so it is hidden from the listing already."""
    assert judge_licence(TARBALL, PERMISSIVE, copy=None) is ALLOW
    assert isinstance(judge_licence(TARBALL, ONLY_STATED, copy=None), Refuse)
    assert judge_licence(TARBALL, ONLY_STATED, copy=read("MIT")) is ALLOW
    untrusted = replace(TARBALL, has_upstream_metadata=True)
    assert isinstance(judge_licence(untrusted, ONLY_STATED, copy=None), Refuse)
    described = replace(untrusted, metadata_sha256=sha256_of("METADATA"))
    assert judge_licence(described, ONLY_STATED, copy=None) is ALLOW
