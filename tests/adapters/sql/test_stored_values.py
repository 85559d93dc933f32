"""How values are stored that have no column type of their own: rules, lengths of time, upstream pages."""

from __future__ import annotations

import sys
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from sqlalchemy.dialects.sqlite import dialect

from strongroom.adapters.sql.column_types import RulesText, Span
from strongroom.core.mirrored import Skipped, UpstreamFile, UpstreamPage
from strongroom.core.model import PackageType, ProjectStatus, Yank
from strongroom.core.names import Filename, Sha256
from strongroom.core.page_content import decode_content, encode_content
from strongroom.core.rules import NO_RULES, Rules
from tests.factories import DEMO, PUBLIC, an_upstream_file, an_upstream_page, sha256_of
from tests.fakes import START
from tests.replacing import replace

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SQLITE = dialect()

# What comes from an upstream's JSON may hold any character, but no half of one: msgspec refuses those.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(timezones=st.just(UTC))
sizes = st.integers(0, 2**50)
digests = st.sampled_from([Sha256("0" * 64), Sha256("f" * 64)])
versions = st.sampled_from(["1.0", "1!1.0rc1.post2.dev3+corp.1", "v1.0-1", "2024.1.0"]).map(Version)
rules = st.builds(
    Rules,
    cooldown=st.none() | st.timedeltas(),
    allowed=st.lists(texts, max_size=3).map(tuple),
    denied=st.lists(texts, max_size=3).map(tuple),
    takes_sdists=st.booleans(),
    max_size_bytes=st.none() | sizes,
    licences=st.lists(texts, max_size=3).map(tuple),
)
files = st.builds(
    UpstreamFile,
    index=st.just(PUBLIC),
    project=st.just(DEMO),
    filename=texts.map(Filename),
    version=versions,
    package_type=st.sampled_from(PackageType),
    python_tag=texts,
    url=texts,
    sha256=digests,
    first_seen_at=times,
    size_bytes=st.none() | sizes,
    uploaded_at=st.none() | times,
    requires_python=st.none() | texts,
    yank=st.none() | texts.map(Yank),
    has_upstream_metadata=st.booleans(),
    metadata_sha256=st.none() | digests,
    provenance_url=st.none() | texts,
    vanished_at=st.none() | times,
)
pages = st.builds(
    UpstreamPage,
    index=st.just(PUBLIC),
    project=st.just(DEMO),
    fetched_at=st.just(START),
    status=st.sampled_from(ProjectStatus),
    status_reason=st.none() | texts,
    files=st.lists(files, max_size=4).map(tuple),
    skipped=st.lists(st.builds(Skipped, texts, texts), max_size=3).map(tuple),
)


def stored_and_read(page: UpstreamPage) -> UpstreamPage:
    """Return the page after its content was stored and read."""
    content = decode_content(encode_content(page))
    return replace(
        page,
        status=content.status,
        status_reason=content.status_reason,
        files=content.files,
        skipped=content.skipped,
    )


@given(pages)
def test_a_page_comes_back_exactly(page: UpstreamPage) -> None:
    """Whatever stands on it, down to the microsecond, and in its order."""
    assert stored_and_read(page) == page


def test_a_page_stored_by_an_older_program_is_read() -> None:
    """The names of the fields are in the catalogs out there; those that came later have their defaults."""
    stored = zstd.compress(
        b'{"status":"active","status_reason":null,"files":[{"index":"public","project":"demo",'
        b'"filename":"demo-1.0-py3-none-any.whl","version":"1.0","package_type":"bdist_wheel","python_tag":"py3",'
        b'"url":"https://files.upstream.example/demo-1.0-py3-none-any.whl","sha256":"'
        + sha256_of("demo-1.0-py3-none-any.whl").encode()
        + b'","first_seen_at":"2025-12-06T12:00:00Z","size_bytes":25,"uploaded_at":"2025-12-06T12:00:00Z",'
        b'"yank":{"reason":"old"}}],"skipped":[{"filename":"demo.exe","reason":"no wheel"}]}'
    )
    content = decode_content(stored)
    assert content.files == (replace(an_upstream_file(), yank=Yank("old")),)
    assert content.skipped == (Skipped("demo.exe", "no wheel"),)


def test_nothing_else_is_put_on_a_page() -> None:
    """A value of a type that nobody thought of is an error, not its text."""
    odd: Any = object()  # what the types rule out
    with pytest.raises(TypeError, match="a page holds no object"):
        encode_content(replace(an_upstream_page(), status_reason=odd))


def test_a_large_page_is_stored_small() -> None:
    """Four thousand similar files take a tenth of a megabyte or two, mostly their digests and times."""
    files = [an_upstream_file(f"demo-{number}.0-py3-none-any.whl") for number in range(4000)]
    page = an_upstream_page("demo", *files)
    assert len(encode_content(page)) < 400_000
    assert stored_and_read(page) == page


@given(rules)
def test_rules_come_back_exactly(value: Rules) -> None:
    """Whatever they are."""
    stored = RulesText().process_bind_param(value, SQLITE)
    assert RulesText().process_result_value(stored, SQLITE) == value


def test_rules_that_are_not_set_are_not_stored() -> None:
    """So a rule that comes later is off in every index, without a migration, and equal rules are equal text."""
    assert RulesText().process_bind_param(NO_RULES, SQLITE) == "{}"
    some = Rules(takes_sdists=False, cooldown=timedelta(days=3))
    assert RulesText().process_bind_param(some, SQLITE) == '{"cooldown":"P3D","takes_sdists":false}'
    assert RulesText().process_result_value("{}", SQLITE) == NO_RULES


def test_nothing_is_stored_as_nothing() -> None:
    """Null is null, both ways."""
    for column_type in (RulesText(), Span()):
        assert column_type.process_bind_param(None, SQLITE) is None
        assert column_type.process_result_value(None, SQLITE) is None


@given(st.timedeltas())
def test_a_length_of_time_comes_back_exactly(value: timedelta) -> None:
    """Down to the microsecond, also backwards."""
    assert Span().process_result_value(Span().process_bind_param(value, SQLITE), SQLITE) == value
