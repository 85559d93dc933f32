from __future__ import annotations

from tests.http.api.office import Office


def entries(office: Office, query: str = "") -> tuple[list[dict[str, object]], object]:
    """Return a page of the log and the next cursor."""
    body = office.ask("GET", f"/audit/entries{query}", token=office.ada).json
    items = body["items"]
    assert isinstance(items, list)
    return items, body["next_cursor"]


def test_an_entry_tells_who_did_what(office: Office) -> None:
    """A change is told with its actor, his address and client, and its place in the chain."""
    office.ask("POST", "/indexes", token=office.ada, json={"name": "staging"})
    newest = entries(office, "?limit=1")[0][0]
    chain_hash = newest.pop("chain_hash")
    assert newest == {
        "serial": office.serial(),
        "at": "2026-01-05T12:00:00Z",
        "actor": {
            "name": f"user:ada token:{office.ada.split('_')[1]}",
            "address": "127.0.0.1",
            "client": "a-client/1.0",
        },
        "event": {"kind": "index-created", "index": "staging"},
    }
    assert len(str(chain_hash)) == 64


def test_the_log_in_pages(office: Office) -> None:
    """The whole log comes newest first, each entry once, and the last page has no cursor."""
    seen: list[object] = []
    items, cursor = entries(office, "?limit=3")
    while True:
        seen += [item["serial"] for item in items]
        if cursor is None:
            break
        items, cursor = entries(office, f"?limit=3&cursor={cursor}")
    assert seen == list(range(office.serial(), 0, -1))


def test_events_hold_lists(office: Office) -> None:
    """An event that holds several names is answered too: it is JSON like any other."""
    office.add_file("demo-1.0-py3-none-any.whl")
    office.ask("DELETE", "/indexes/main/projects/demo", token=office.ada)
    assert entries(office, "?limit=1")[0][0]["event"] == {
        "kind": "deleted",
        "index": "main",
        "project": "demo",
        "filenames": ["demo-1.0-py3-none-any.whl"],
    }


def test_the_log_of_one_project(office: Office) -> None:
    """Only changes to projects of that name are listed."""
    office.add_file("demo-1.0-py3-none-any.whl")
    office.add_file("other-1.0-py3-none-any.whl")
    items, cursor = entries(office, "?project=DEMO")
    assert ([item["serial"] for item in items], cursor) == ([office.serial() - 1], None)


def test_a_strange_cursor_is_a_place(office: Office) -> None:
    """A cursor of the right form is never refused: what is no serial begins at the newest."""
    for cursor in ("00", "ff", "31" * 200, "2d31"):
        assert entries(office, f"?limit=1&cursor={cursor}")[0][0]["serial"] == office.serial()
    assert entries(office, "?cursor=30") == ([], None)


def test_reading_the_log_writes_nothing(office: Office) -> None:
    """Neither reading nor verifying is a change."""
    before = office.serial()
    office.ask("GET", "/audit/entries", token=office.ada)
    office.ask("GET", "/audit/verification", token=office.ada)
    assert office.serial() == before


def test_verify(office: Office) -> None:
    """The chain holds; a head that was kept elsewhere is compared with it."""
    body = office.ask("GET", "/audit/verification", token=office.ada).json
    head = str(body.pop("head"))
    assert body == {"is_whole": True, "entries": office.serial(), "broken": None}
    assert head.startswith(f"{office.serial()}:")
    again = office.ask("GET", f"/audit/verification?expected={head}", token=office.ada).json
    assert again == body | {"head": head}


def test_a_log_that_was_cut_shows(office: Office) -> None:
    """A head beyond the end of the log says that entries are gone."""
    kept = f"{office.serial() + 5}:{'0' * 64}"
    body = office.ask("GET", f"/audit/verification?expected={kept}", token=office.ada).json
    assert body["is_whole"] is False
    assert body["broken"] == {
        "serial": office.serial() + 1,
        "reason": f"the log was cut: it went on to {office.serial() + 5}",
    }
