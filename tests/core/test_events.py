"""The chain of events: what binds an entry to those before it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import InvalidRequest
from strongroom.core.events import (
    FIRST_HASH,
    AccessEvent,
    Actor,
    Event,
    Head,
    IndexCreated,
    ProjectEvent,
    SetupLinkIssued,
    TokenIssued,
    Yanked,
    chain_hash,
    decode_event,
    encode_event,
    entry_body,
    parse_head,
)
from strongroom.core.names import Filename, IndexName, ProjectName, TokenId, UserName
from tests.fakes import START

YANKED = Yanked(
    index=IndexName("main"),
    project=ProjectName("demo"),
    version="1.0",
    filenames=(Filename("demo-1.0.tar.gz"),),
    reason='a "bad" one',
)
ACTOR = Actor(name="user:bob", address="192.0.2.1")


def link(event: Event = YANKED, *, serial: int = 7, actor: Actor = ACTOR, previous: bytes = FIRST_HASH) -> bytes:
    """Chain an entry with a fixed key and time."""
    return chain_hash(
        b"key", previous, body=entry_body(serial=serial, at=START, actor=actor, event_json=encode_event(event))
    )


def test_an_event_is_canonical_json_with_its_kind() -> None:
    """Sorted keys, no spaces, defaults left out: the same event is always the same text."""
    assert encode_event(YANKED) == (
        '{"filenames":["demo-1.0.tar.gz"],"index":"main","kind":"yanked","project":"demo",'
        '"reason":"a \\"bad\\" one","version":"1.0"}'
    )
    assert encode_event(IndexCreated(index=IndexName("main"))) == '{"index":"main","kind":"index-created"}'


@pytest.mark.parametrize(
    "event",
    [
        YANKED,
        IndexCreated(index=IndexName("main"), accepts_uploads=False, anonymous_read=True),
        TokenIssued(token=TokenId("A" * 16), owner=UserName("bob"), scope=("read on every project",)),
        SetupLinkIssued(expires_at="soon"),
    ],
)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    """Nothing is lost on the way to the catalog and back."""
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("text", ["", "{}", '{"kind":"unheard-of"}', '{"kind":"yanked","index":3}'])
def test_what_is_no_event_is_not_read(text: str) -> None:
    """A changed row is an error, not an empty event."""
    with pytest.raises(msgspec.MsgspecError):
        decode_event(text)


def test_each_part_of_an_entry_is_in_its_hash() -> None:
    """Another serial, time, actor, event, predecessor or key gives another hash."""
    body = encode_event(YANKED)
    others = {
        link(serial=8),
        link(actor=Actor(name="user:eve", address="192.0.2.1")),
        link(actor=Actor(name="user:bob", address="192.0.2.1", client="pip")),
        link(msgspec.structs.replace(YANKED, reason="another")),
        link(previous=b"\x01" + bytes(31)),
        chain_hash(
            b"key",
            FIRST_HASH,
            body=entry_body(serial=7, at=START + timedelta(microseconds=1), actor=ACTOR, event_json=body),
        ),
        chain_hash(b"another", FIRST_HASH, body=entry_body(serial=7, at=START, actor=ACTOR, event_json=body)),
    }
    assert len(others) == 7
    assert link() not in others
    assert link() == link()
    assert len(link()) == 32


def test_each_event_belongs_to_what_it_changes() -> None:
    """Caches listen to these two unions: pages to one, rights to the other."""
    assert isinstance(YANKED, ProjectEvent)
    assert not isinstance(YANKED, AccessEvent)
    assert isinstance(IndexCreated(index=IndexName("main")), AccessEvent)
    assert not isinstance(SetupLinkIssued(expires_at="soon"), AccessEvent | ProjectEvent)


@given(st.integers(0, 10**18 - 1), st.binary(min_size=32, max_size=32))
def test_a_head_is_read_as_it_was_printed(serial: int, digest: bytes) -> None:
    """What `audit verify` prints can be given back to it."""
    head = Head(serial, digest)
    assert parse_head(str(head)) == head


@pytest.mark.parametrize("raw", ["", "7", "7:", f"x:{'0' * 64}", f"7:{'0' * 63}", f"7:{'0' * 64}\n", f"-1:{'0' * 64}"])
def test_what_is_no_head_is_refused(raw: str) -> None:
    """A mistyped head is not taken for one that fits."""
    with pytest.raises(InvalidRequest):
        parse_head(raw)
