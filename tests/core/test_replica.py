"""What a replica takes of a page, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from strongroom.core.access import Scope
from strongroom.core.errors import Conflict, StorageFault
from strongroom.core.events import FIRST_HASH, Actor, Entry, Uploaded, chain_hash, encode_event, entry_body
from strongroom.core.model import File, User
from strongroom.core.names import Filename, ProjectName, Sha256, TokenId, parse_user_name
from strongroom.core.replica import FORMAT, Page, check_page, check_signature, decode_page, encode_page, sign_page
from strongroom.core.replica_rows import Rows, TokenRow, UserRow, are_about
from strongroom.core.touched import Touched
from tests.factories import MAIN, a_file
from tests.fakes import START

KEY = b"k" * 32
FILE: File = a_file("demo-1.0-py3-none-any.whl")


def a_page(**rows: Any) -> Page:  # Any: tuples of any row
    """Return the page of one upload, chained as the primary does it, with these rows."""
    event = Uploaded(
        index=MAIN, project=FILE.project, version="1.0", filename=FILE.filename, sha256=FILE.sha256, size_bytes=3
    )
    actor = Actor(name="ada")
    body = entry_body(serial=1, at=START, actor=actor, event_json=encode_event(event))
    entry = Entry(serial=1, at=START, actor=actor, event=event, chain_hash=chain_hash(KEY, FIRST_HASH, body=body))
    return Page(format=FORMAT, since=0, since_hash=FIRST_HASH, head=1, entries=(entry,), rows=Rows(**rows))


def a_token(token_id: str, parent: str | None = None, *, network: str = "10.0.0.0/8") -> TokenRow:
    """Return a token's row."""
    return TokenRow(
        token_id=TokenId(token_id),
        owner=parse_user_name("ada"),
        label="",
        digest=b"d",
        scope=Scope(),
        created_at=START,
        expires_at=None,
        networks=(network,),
        revoked_at=None,
        last_used_at=None,
        parent=None if parent is None else TokenId(parent),
    )


def check(page: Page) -> None:
    """Check it as the first page."""
    check_page(page, key=KEY, since=0, since_hash=FIRST_HASH)


def test_rows_of_the_page_s_own_events_are_taken() -> None:
    """The file of the upload, in the form that goes over the network."""
    page = decode_page(encode_page(a_page(files=(FILE,))))
    check(page)
    assert page.rows.files == (FILE,)


@pytest.mark.parametrize(
    "rows",
    [
        {"files": (replace(FILE, filename=Filename("other-1.0-py3-none-any.whl")),)},
        {"users": (UserRow(user=User(parse_user_name("eve"), START, is_administrator=True), grants=()),)},
        {"tokens": (a_token("A" * 16),)},
        {"lost_indexes": ("other",)},
        {"lost_projects": ((MAIN, "other"),)},
    ],
)
def test_rows_that_no_event_is_about_are_refused(rows: dict[str, Any]) -> None:
    """The log would not tell of them: nobody would ever see who made an administrator here."""
    with pytest.raises(StorageFault, match="not about"):
        check(a_page(**rows))
    page = a_page(**rows)
    with pytest.raises(StorageFault):
        check(msgspec.structs.replace(page, entries=(), head=0))


def test_the_tokens_that_a_token_made_come_with_it() -> None:
    """Descendants to the last, and nobody else's."""
    rows = Rows(tokens=(a_token("A" * 16), a_token("C" * 16, "B" * 16), a_token("B" * 16, "A" * 16)))
    assert are_about(rows, Touched(tokens=(TokenId("A" * 16),)))
    assert not are_about(rows, Touched(tokens=(TokenId("B" * 16),)))


@pytest.mark.parametrize(
    "rows",
    [
        {"files": (replace(FILE, sha256=Sha256("..//secret.key")),)},
        {"files": (replace(FILE, sha256=Sha256("A" * 64)),)},
        {"files": (replace(FILE, metadata_sha256=Sha256("../../secret.key")),)},
        {"files": (replace(FILE, filename=Filename("../demo-1.0-py3-none-any.whl")),)},
        {"files": (replace(FILE, project=ProjectName("Demo")),)},
        {"lost_projects": ((MAIN, "../demo"),)},
        {"lost_indexes": ("..",)},
        {"tokens": (a_token("short"),)},
        {"tokens": (a_token("A" * 16, network="nowhere"),)},
        {"promotions": ({"x": 1},)},
    ],
)
def test_names_and_digests_are_parsed(rows: dict[str, Any]) -> None:
    """A digest becomes a path, a name a URL: what a parser would not let in is not let in by this door either."""
    with pytest.raises(Conflict, match="cannot be read"):
        decode_page(encode_page(a_page(**rows)))


def test_an_answer_is_signed_for_one_question() -> None:
    """Another key, another question, other bytes, and no signature at all are refused."""
    signature = sign_page(KEY, b"body", nonce="aa")
    check_signature(KEY, b"body", nonce="aa", signature=signature)
    for key, body, nonce in ((b"x", b"body", "aa"), (KEY, b"other", "aa"), (KEY, b"body", "ab")):
        with pytest.raises(StorageFault, match="not signed with this key"):
            check_signature(key, body, nonce=nonce, signature=signature)
    with pytest.raises(Conflict, match="does not sign"):
        check_signature(KEY, b"body", nonce="aa", signature=None)
    with pytest.raises(StorageFault):
        check_signature(KEY, b"body", nonce="aa", signature="\u00e9")
