from __future__ import annotations

from strongroom.core.events import Deleted, StatusChanged
from strongroom.core.model import Yank
from strongroom.core.names import Filename
from tests.factories import DEMO, MAIN
from tests.http.api.office import Office

AT = "2026-01-05T12:00:00Z"
WHEEL = "demo-1.0-py3-none-any.whl"
STATUS = "/indexes/main/projects/demo/status"


def test_list_in_pages(office: Office) -> None:
    """The projects come by name, page by page, each exactly once."""
    for name in ("delta", "alpha", "charlie", "bravo"):
        office.add_file(f"{name}-1.0-py3-none-any.whl")
    seen: list[object] = []
    path, pages = "/indexes/main/projects?limit=3", 0
    while path:
        body = office.ask("GET", path, token=office.bob).json
        items, cursor = body["items"], body["next_cursor"]
        assert isinstance(items, list)
        seen += [item["name"] for item in items]
        pages += 1
        path = f"/indexes/main/projects?limit=3&cursor={cursor}" if cursor else ""
    assert (seen, pages) == (["alpha", "bravo", "charlie", "delta"], 2)


def test_list_shows_what_may_be_read(office: Office) -> None:
    """A reader of some projects sees these alone."""
    office.add_file(WHEEL)
    serial = office.add_file("acme_billing-1.0-py3-none-any.whl") and office.serial()
    assert office.ask("GET", "/indexes/main/projects", token=office.carol).json == {
        "items": [{"name": "acme-billing", "display_name": "acme-billing", "serial": serial}],
        "next_cursor": None,
    }


def test_show(office: Office) -> None:
    """A project is shown with its releases, the oldest version first; the name need not be normalised."""
    office.add_file("demo-1.10.tar.gz")
    office.add_file(WHEEL, yank=Yank("broken"))
    expected = {
        "index": "main",
        "name": "demo",
        "display_name": "demo",
        "status": "active",
        "status_reason": None,
        "serial": office.serial(),
        "releases": [
            {"version": "1.0", "files": 1, "is_yanked": True, "uploaded_at": AT},
            {"version": "1.10", "files": 1, "is_yanked": False, "uploaded_at": AT},
        ],
    }
    assert office.ask("GET", "/indexes/main/projects/demo", token=office.bob).json == expected
    assert office.ask("GET", "/indexes/main/projects/DeMo", token=office.bob).json == expected


def test_status(office: Office) -> None:
    """A status is set with its reason; the same again changes nothing and answers the same."""
    office.add_file(WHEEL)
    replies = [
        office.ask("PUT", STATUS, token=office.ada, json={"status": "archived", "reason": "moved"}) for _ in range(2)
    ]
    assert replies[0].json == {
        "index": "main",
        "project": "demo",
        "status": "archived",
        "status_reason": "moved",
        "serial": office.serial(),
    }
    assert replies[1].json == replies[0].json
    assert office.events() == [StatusChanged(index=MAIN, project=DEMO, status="archived", reason="moved")]


def test_quarantine_hides_the_releases(office: Office) -> None:
    """A project in quarantine shows its status, and neither releases nor files (PEP 792)."""
    office.add_file(WHEEL)
    office.ask("PUT", STATUS, token=office.ada, json={"status": "quarantined"})
    shown = office.ask("GET", "/indexes/main/projects/demo", token=office.bob).json
    assert (shown["status"], shown["releases"]) == ("quarantined", [])
    file = office.ask("GET", f"/indexes/main/projects/demo/files/{WHEEL}", token=office.bob)
    assert (file.status, file.json["code"]) == (403, "project-quarantined")


def test_status_needs_the_right_to_manage(office: Office) -> None:
    """A member may not set it, and nothing is told."""
    office.add_file(WHEEL)
    assert office.ask("PUT", STATUS, token=office.bob, json={"status": "archived"}).status == 403
    assert office.events() == []


def test_an_unknown_status_is_refused(office: Office) -> None:
    """The sentence names the statuses that there are."""
    office.add_file(WHEEL)
    reply = office.ask("PUT", STATUS, token=office.ada, json={"status": "retired"})
    assert (reply.status, reply.json["detail"]) == (
        422,
        "The field 'status' is refused: input should be 'active', 'archived', 'deprecated' or 'quarantined'.",
    )
    assert office.events() == []


def test_delete(office: Office) -> None:
    """A deleted project is gone with all its files, in one event; their names stay taken."""
    office.add_file(WHEEL)
    office.add_file("demo-1.1.tar.gz")
    reply = office.ask("DELETE", "/indexes/main/projects/demo", token=office.ada)
    filenames = [WHEEL, "demo-1.1.tar.gz"]
    assert (reply.status, reply.json) == (200, {"index": "main", "project": "demo", "filenames": filenames})
    assert office.events() == [Deleted(index=MAIN, project=DEMO, filenames=tuple(map(Filename, filenames)))]
    assert office.files() == ()
    assert office.read(lambda tx: tx.files.find_tombstone(MAIN, Filename(WHEEL))) is not None
    again = office.ask("DELETE", "/indexes/main/projects/demo", token=office.ada)
    assert (again.status, again.json["code"]) == (404, "project-unknown")
