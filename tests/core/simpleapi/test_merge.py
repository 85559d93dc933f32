"""Laying an upstream's page over the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import Skipped, UpstreamPage
from strongroom.core.model import Yank
from strongroom.core.simpleapi import parse
from strongroom.core.simpleapi.parse import merge_page
from tests.factories import a_missing_page, an_upstream_file, an_upstream_page, sha256_of
from tests.fakes import START
from tests.replacing import replace

LATER = START + timedelta(days=1)
LATEST = START + timedelta(days=2)
KNOWN = an_upstream_file("demo-1.0.tar.gz")
NEW = replace(an_upstream_file("demo-2.0.tar.gz"), first_seen_at=LATER)


def seen_later(page: UpstreamPage) -> UpstreamPage:
    """Return the page as a fetch a day later gives it: all its files seen for the first time."""
    files = tuple(replace(file, first_seen_at=LATER) for file in page.files)
    return replace(page, fetched_at=LATER, files=files, etag='"2"')


def test_without_an_earlier_page_the_latest_stands() -> None:
    """There is nothing to remember."""
    page = an_upstream_page("demo", KNOWN)
    assert merge_page(None, page, now=START) is page
    assert merge_page(a_missing_page(), page, now=START) is page
    assert merge_page(a_missing_page(), a_missing_page(), now=START).is_missing


def test_a_known_file_keeps_the_time_it_was_first_seen() -> None:
    """And a new one has its own; all else is the latest page's."""
    latest = seen_later(an_upstream_page("demo", replace(KNOWN, yank=Yank("bad")), NEW))
    merged = merge_page(an_upstream_page("demo", KNOWN), latest, now=LATER)
    assert merged.files == (replace(KNOWN, yank=Yank("bad")), NEW)
    assert (merged.etag, merged.fetched_at, merged.skipped) == ('"2"', LATER, ())


def test_the_same_page_again_changes_nothing() -> None:
    """A page that is asked for again is the page that was."""
    page = an_upstream_page("demo", KNOWN)
    assert merge_page(page, seen_later(page), now=LATER) == replace(page, fetched_at=LATER, etag='"2"')


def test_a_file_that_vanished_stays_for_those_who_pinned_it() -> None:
    """It is marked as yanked, with the day; the day stays however often the page is fetched."""
    earlier = an_upstream_page("demo", KNOWN, NEW)
    once = merge_page(earlier, seen_later(an_upstream_page("demo", NEW)), now=LATER)
    gone = replace(KNOWN, vanished_at=LATER, yank=Yank(f"no longer offered by the upstream since {LATER:%Y-%m-%d}"))
    assert once.files == (gone, NEW)
    assert merge_page(once, seen_later(an_upstream_page("demo", NEW)), now=LATEST).files == (gone, NEW)


def test_a_file_that_comes_back_is_offered_again() -> None:
    """With the yank that the upstream gives, and the time it was first seen."""
    earlier = an_upstream_page("demo", replace(KNOWN, vanished_at=START, yank=Yank("gone")))
    assert merge_page(earlier, seen_later(an_upstream_page("demo", KNOWN)), now=LATER).files == (KNOWN,)


def test_a_filename_keeps_its_first_digest() -> None:
    """Other bytes under a known name are not offered, and the first ones are for those who pinned them."""
    changed = replace(KNOWN, sha256=sha256_of("other bytes"), url="https://evil.example/demo-1.0.tar.gz")
    latest = replace(seen_later(an_upstream_page("demo", changed)), skipped=(Skipped("x", "y"),))
    merged = merge_page(an_upstream_page("demo", KNOWN), latest, now=LATER)
    (file,) = merged.files
    assert (file.sha256, file.url, file.vanished_at) == (KNOWN.sha256, KNOWN.url, LATER)
    assert file.yank == Yank(f"the upstream gives other bytes under this name since {LATER:%Y-%m-%d}")
    assert merged.skipped == (
        Skipped("demo-1.0.tar.gz", "The upstream now gives other bytes under this name"), Skipped("x", "y")
    )  # fmt: skip
    again = merge_page(merged, latest, now=LATEST)
    assert (again.files, again.skipped) == (merged.files, merged.skipped)


def test_bytes_that_change_back_are_offered_again() -> None:
    """The first digest was right all the time."""
    changed = replace(KNOWN, sha256=sha256_of("other bytes"))
    merged = merge_page(an_upstream_page("demo", KNOWN), an_upstream_page("demo", changed), now=LATER)
    assert merge_page(merged, seen_later(an_upstream_page("demo", KNOWN)), now=LATEST).files == (KNOWN,)


def test_the_age_of_a_file_is_not_rewritten() -> None:
    """An upstream cannot make a file older afterwards, past a cooldown; what it left out before is taken."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    young = replace(KNOWN, uploaded_at=START)
    for before, told, expected in ((young, long_ago, START), (young, None, START), (KNOWN, START, KNOWN.uploaded_at)):
        latest = an_upstream_page("demo", replace(before, uploaded_at=told))
        assert merge_page(an_upstream_page("demo", before), latest, now=LATER).files[0].uploaded_at == expected
    unknown = an_upstream_page("demo", replace(KNOWN, uploaded_at=None))
    assert merge_page(unknown, an_upstream_page("demo", young), now=LATER).files == (young,)


def test_a_size_is_not_forgotten() -> None:
    """A page in HTML has none, where the one in JSON had."""
    latest = an_upstream_page("demo", replace(KNOWN, size_bytes=None))
    assert merge_page(an_upstream_page("demo", KNOWN), latest, now=LATER).files == (KNOWN,)


def test_a_project_that_is_gone_keeps_its_name() -> None:
    """It is not missing, so that no other upstream answers for it; its files are for those who pinned them."""
    merged = merge_page(an_upstream_page("demo", KNOWN), a_missing_page(fetched_at=LATER), now=LATER)
    assert not merged.is_missing
    assert [(file.filename, file.vanished_at) for file in merged.files] == [(KNOWN.filename, LATER)]


def test_other_files_at_each_look_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page before stays, with its digests: nothing is forgotten to make room for more."""
    monkeypatch.setattr(parse, "MOST_FILES", 3)
    page = an_upstream_page("demo", KNOWN)
    for number in (2, 3):
        page = merge_page(page, an_upstream_page("demo", an_upstream_file(f"demo-{number}.0.tar.gz")), now=LATER)
    with pytest.raises(UpstreamFault) as raised:
        merge_page(page, an_upstream_page("demo", an_upstream_file("demo-4.0.tar.gz")), now=LATEST)
    assert raised.value.code == "upstream-page-too-long"
    assert len(page.files) == 3
    assert len(merge_page(page, an_upstream_page("demo", KNOWN), now=LATEST).files) == 3
