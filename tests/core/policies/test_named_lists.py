"""What an index's allow-list and deny-list let through."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from strongroom.core.policies.allow_list import NOT_ALLOWED, judge_allowed
from strongroom.core.policies.deny_list import DENIED, judge_denied
from strongroom.core.policy import ALLOW, Refuse
from tests.factories import an_upstream_file

EVERY, EARLY, LATE = SpecifierSet(""), SpecifierSet("<2"), SpecifierSet(">=3")
ONE = an_upstream_file("demo-1.0-py3-none-any.whl")
TWO_RC = an_upstream_file("demo-2.5rc1.tar.gz")
LOCAL = an_upstream_file("demo-1.0+corp.1-py3-none-any.whl")


@pytest.mark.parametrize("versions", [EVERY, EARLY, SpecifierSet("==1.0"), SpecifierSet("==1.*")])
def test_a_listed_version_is_allowed_and_denied(versions: SpecifierSet) -> None:
    """Each list holds what one of its entries holds."""
    assert judge_allowed(ONE, (LATE, versions)) is ALLOW
    assert isinstance(judge_denied(ONE, (LATE, versions)), Refuse)


def test_pre_releases_count_like_all_versions() -> None:
    """Where no specifier names one, too: nothing slips through as a release candidate."""
    for versions in (EVERY, SpecifierSet(">=2"), SpecifierSet("<3")):
        assert judge_allowed(TWO_RC, (versions,)) is ALLOW
        assert isinstance(judge_denied(TWO_RC, (versions,)), Refuse)


def test_a_denied_version_is_denied_with_any_local_label() -> None:
    """PEP 440: a specifier without a local label ignores the version's."""
    assert isinstance(judge_denied(LOCAL, (SpecifierSet("==1.0"),)), Refuse)


def test_what_is_not_denied_passes() -> None:
    """Another version, and a project that the list does not name."""
    assert judge_denied(ONE, (LATE,)) is ALLOW
    assert judge_denied(ONE, ()) is ALLOW


def test_what_is_not_listed_is_not_allowed() -> None:
    """The refusal tells a project that is not on the list from a version that is not."""
    assert judge_allowed(ONE, ()) == Refuse(NOT_ALLOWED, "The project 'demo' is not on the allow-list")
    assert judge_allowed(ONE, (SpecifierSet("==2.0"), LATE)) == Refuse(
        NOT_ALLOWED,
        "Version 1.0 of 'demo' is not on the allow-list",
        "Use a version that is: demo==2.0 or demo>=3.",
    )


def test_a_denial_names_the_entry() -> None:
    """And whether another version would help."""
    assert judge_denied(ONE, (LATE, EARLY)) == Refuse(
        DENIED, "Version 1.0 of 'demo' is on the deny-list (demo<2)", "Use another version."
    )
    assert judge_denied(ONE, (EVERY,)) == Refuse(
        DENIED, "Every version of 'demo' is on the deny-list (demo)", "Use another project."
    )
