"""A filename, once used, never carries other bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.model import Tombstone
from strongroom.core.policies.immutability import FILE_EXISTS, FILENAME_DELETED, judge_filename
from strongroom.core.policy import ALLOW, Refuse
from tests.factories import DEMO, MAIN, a_file, sha256_of
from tests.fakes import START

_FILE = a_file("demo-1.0-py3-none-any.whl")
_TOMBSTONE = Tombstone(MAIN, DEMO, _FILE.filename, _FILE.sha256, START)


def test_a_new_filename_is_free() -> None:
    """A name that was never used takes any bytes."""
    assert judge_filename(_FILE.filename, sha256_of("x"), existing=None, tombstone=None) is ALLOW


def test_the_same_bytes_pass() -> None:
    """A retry with the same bytes is harmless."""
    assert judge_filename(_FILE.filename, _FILE.sha256, existing=_FILE, tombstone=None) is ALLOW


def test_other_bytes_are_refused_in_pypi_words() -> None:
    """Uploaders recognise an existing file by the first words of the answer."""
    verdict = judge_filename(_FILE.filename, sha256_of("other"), existing=_FILE, tombstone=None)
    assert isinstance(verdict, Refuse)
    assert verdict.code == FILE_EXISTS
    assert verdict.sentence.startswith(f"File already exists ({_FILE.filename})")
    assert verdict.hint


@given(st.sampled_from([_FILE.sha256, sha256_of("other")]))
def test_a_deleted_filename_stays_taken(sha256: str) -> None:
    """PyPI's "This filename was previously used by a file that has since been deleted", for the same bytes too."""
    verdict = judge_filename(_FILE.filename, sha256_of(sha256), existing=None, tombstone=_TOMBSTONE)
    assert isinstance(verdict, Refuse)
    assert verdict.code == FILENAME_DELETED
    assert verdict.sentence.startswith("This filename was previously used by a file that has since been deleted")


def test_a_tool_that_skips_what_exists_does_not_skip_what_was_deleted() -> None:
    """The words that --skip-existing looks for are absent, because the file is not there."""
    verdict = judge_filename(_FILE.filename, _FILE.sha256, existing=None, tombstone=_TOMBSTONE)
    assert isinstance(verdict, Refuse)
    assert "already exist" not in verdict.sentence
