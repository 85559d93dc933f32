"""Some indexes take no uploads."""

from __future__ import annotations

from strongroom.core.policies.open_index import judge_index
from strongroom.core.policy import ALLOW, Refuse
from tests.factories import an_index


def test_an_index_takes_uploads_unless_told_otherwise() -> None:
    """The usual index is open for uploads."""
    assert judge_index(an_index()) is ALLOW


def test_an_index_without_uploads_says_which_it_is() -> None:
    """The refusal names the index, since the URL may come from a configuration file."""
    verdict = judge_index(an_index("staging", accepts_uploads=False))
    assert isinstance(verdict, Refuse)
    assert verdict.code == "index-takes-no-uploads"
    assert "'staging'" in verdict.reason
