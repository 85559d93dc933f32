from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom.core.access import Right
from strongroom.core.model import ProjectStatus
from tests.factories import a_file, a_grant
from tests.http.reading import PIP, ReadingRoom, reading_room

WHEEL = "demo-1.0-py3-none-any.whl"
PROVENANCE = b'{"version":1,"attestation_bundles":[]}'
URL = f"/main/integrity/demo/1.0/{WHEEL}/provenance"
V1 = "application/vnd.pypi.integrity.v1+json"


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room with one file that has a provenance, and one that has none."""
    with reading_room(public_url="https://packages.example/prefix") as opened:
        digest = opened.run(opened.blobs.put(PROVENANCE))
        opened.publish(replace(a_file(WHEEL), provenance_sha256=digest))
        opened.publish(a_file("demo-2.0.tar.gz"))
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


def test_the_page_leads_to_the_provenance(room: ReadingRoom, token: str) -> None:
    """PEP 740: an absolute URL, in JSON and HTML, at which the object is served as it was kept."""
    url = f"https://packages.example/prefix{URL}"
    assert f'"provenance":"{url}"'.encode() in room.get("/simple/demo/", token=token, accept=PIP).body
    assert f'data-provenance="{url}"'.encode() in room.get("/simple/demo/", token=token).body
    reply = room.get(URL, token=token, accept=V1)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, PROVENANCE, V1)


ACCEPTS = {V1: V1, "application/json": "application/json", "*/*": V1, "text/html": None}


@pytest.mark.parametrize(("accept", "content_type"), ACCEPTS.items())
def test_the_form_is_negotiated(room: ReadingRoom, token: str, *, accept: str, content_type: str | None) -> None:
    """Its own type or plain JSON, for whoever takes anything its own; nothing else."""
    reply = room.get(URL, token=token, accept=accept)
    assert reply.status == (406 if content_type is None else 200)
    assert reply.headers["content-type"] == (content_type or "application/problem+json")


def test_it_is_revalidated(room: ReadingRoom, token: str) -> None:
    """An unchanged object is 304; HEAD gives no body."""
    full = room.get(URL, token=token)
    assert room.get(URL, token=token, if_none_match=full.headers["etag"]).status == 304
    assert room.get(URL, token=token, method="HEAD") == replace(full, body=b"")


@pytest.mark.parametrize(
    "path",
    [
        "/main/integrity/demo/2.0/demo-2.0.tar.gz/provenance",
        f"/main/integrity/demo/2.0/{WHEEL}/provenance",
        f"/main/integrity/other/1.0/{WHEEL}/provenance",
        "/main/integrity/demo/1.0/passwd/provenance",
        f"/main/integrity/demo/no-version/{WHEEL}/provenance",
    ],
)
def test_what_has_none_is_404(room: ReadingRoom, token: str, path: str) -> None:
    """No attestations, another version, another project, no filename: the same bytes as without the right."""
    stranger = room.add_token("eve", a_grant(Right.READ, projects="other"))
    assert room.get(path, token=token) == room.get(URL, token=stranger)
    assert room.get(path, token=token).status == 404
    assert room.get(path).status == 401


def test_quarantine_withholds_it(room: ReadingRoom, token: str) -> None:
    """A quarantined project's provenance is refused like its files."""
    room.set_status("demo", ProjectStatus.QUARANTINED)
    assert room.get(URL, token=token).status == 403


def test_an_insecure_public_url_names_no_provenance() -> None:
    """PEP 740: the URL must represent a secure origin; one's own machine counts as such."""
    for public_url, is_named in (("http://packages.example", False), ("http://127.0.0.1:8000", True)):
        with reading_room(public_url=public_url) as room:
            room.publish(replace(a_file(WHEEL), provenance_sha256=room.run(room.blobs.put(PROVENANCE))))
            body = room.get("/simple/demo/", token=room.add_token("bob", a_grant(Right.READ)), accept=PIP).body
            assert (b'"provenance"' in body) is is_named
