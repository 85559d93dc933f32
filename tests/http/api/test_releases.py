from __future__ import annotations

from strongroom.core.events import Deleted, Unyanked, Yanked
from strongroom.core.model import Yank
from strongroom.core.names import Filename
from tests.factories import DEMO, MAIN, sha256_of
from tests.http.api.office import NOT_FOUND, Office

AT = "2026-01-05T12:00:00Z"
WHEEL, SDIST, NEXT = Filename("demo-1.0-py3-none-any.whl"), Filename("demo-1.0.tar.gz"), Filename("demo-1.1.tar.gz")
RELEASE = "/indexes/main/projects/demo/releases/1.0"
FILE = f"/indexes/main/projects/demo/files/{WHEEL}"
BOTH = {"index": "main", "project": "demo", "filenames": [WHEEL, SDIST]}
NONE = {"index": "main", "project": "demo", "filenames": []}


def furnish(office: Office) -> None:
    """Publish a release of two files, and the next one."""
    for filename in (WHEEL, SDIST, NEXT):
        office.add_file(filename)


def view(serial: int, *, yank_reason: str | None = None) -> dict[str, object]:
    """Return how the API shows the wheel."""
    return {
        "index": "main",
        "project": "demo",
        "version": "1.0",
        "filename": WHEEL,
        "package_type": "bdist_wheel",
        "python_tag": "py3",
        "size_bytes": len(WHEEL),
        "sha256": sha256_of(WHEEL),
        "uploaded_at": AT,
        "uploaded_by": "user:bob",
        "requires_python": None,
        "has_metadata": False,
        "has_provenance": False,
        "is_yanked": yank_reason is not None,
        "yank_reason": yank_reason,
        "serial": serial,
    }


def test_show_release(office: Office) -> None:
    """A release is shown with its files; 1.0.0 is the same version as 1.0."""
    file = office.add_file(WHEEL)
    serial = office.serial()
    office.add_file(NEXT)
    expected = {
        "index": "main",
        "project": "demo",
        "version": "1.0",
        "is_yanked": False,
        "files": [view(serial)],
    }
    assert file.filename == WHEEL
    assert office.ask("GET", RELEASE, token=office.bob).json == expected
    assert office.ask("GET", f"{RELEASE}.0", token=office.bob).json == expected


def test_show_a_release_that_is_missing(office: Office) -> None:
    """Another version, and what is no version, answer as what does not exist."""
    furnish(office)
    for version in ("9.9", "banana", "1.0%00"):
        reply = office.ask("GET", f"/indexes/main/projects/demo/releases/{version}", token=office.bob)
        assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_show_file(office: Office) -> None:
    """A file is shown with all its facts; who published it is not for a caller without credentials."""
    office.add_file(WHEEL, yank=Yank(""))
    assert office.ask("GET", FILE, token=office.bob).json == view(office.serial(), yank_reason="")
    office.add_index("open", anonymous_read=True)
    office.add_file(WHEEL, index="open")
    shown = office.ask("GET", FILE.replace("main", "open")).json
    assert shown == view(office.serial()) | {"index": "open", "uploaded_by": None}


def test_a_file_belongs_to_its_project(office: Office) -> None:
    """A file is not found under another project's name."""
    furnish(office)
    reply = office.ask("GET", FILE.replace("/demo/", "/other/"), token=office.bob)
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_yank_release(office: Office) -> None:
    """All files of the release are yanked in one event, and the next release is not touched."""
    furnish(office)
    reply = office.ask("PUT", f"{RELEASE}/yank", token=office.bob, json={"reason": "loses data"})
    assert (reply.status, reply.json) == (200, BOTH)
    assert office.events() == [
        Yanked(index=MAIN, project=DEMO, version="1.0", filenames=(WHEEL, SDIST), reason="loses data")
    ]
    assert [file.yank for file in office.files()] == [Yank("loses data"), Yank("loses data"), None]


def test_yank_release_again(office: Office) -> None:
    """Repeating a yank answers 200 and changes nothing; another reason is a change."""
    furnish(office)
    for reason, expected in (("a", BOTH), ("a", NONE), ("b", BOTH)):
        reply = office.ask("PUT", f"{RELEASE}/yank", token=office.bob, json={"reason": reason})
        assert (reply.status, reply.json) == (200, expected)
    assert len(office.events()) == 2


def test_unyank_release(office: Office) -> None:
    """The files are offered again; repeating it changes nothing."""
    furnish(office)
    office.ask("PUT", f"{RELEASE}/yank", token=office.bob, json={})
    for expected in (BOTH, NONE):
        reply = office.ask("DELETE", f"{RELEASE}/yank", token=office.bob)
        assert (reply.status, reply.json) == (200, expected)
    assert office.events()[1:] == [Unyanked(index=MAIN, project=DEMO, version="1.0", filenames=(WHEEL, SDIST))]
    assert [file.yank for file in office.files()] == [None, None, None]


def test_yank_file(office: Office) -> None:
    """One file is yanked and offered again; the others of its release are not touched."""
    furnish(office)
    one = {"index": "main", "project": "demo", "filenames": [WHEEL]}
    assert office.ask("PUT", f"{FILE}/yank", token=office.bob, json={}).json == one
    assert [file.yank for file in office.files()] == [Yank(), None, None]
    assert office.ask("DELETE", f"{FILE}/yank", token=office.bob).json == one
    assert [type(event) for event in office.events()] == [Yanked, Unyanked]


def test_an_unprintable_reason_is_refused(office: Office) -> None:
    """A reason with a NUL breaks a rule that the schema cannot say: 400, and nothing changes."""
    furnish(office)
    reply = office.ask("PUT", f"{RELEASE}/yank", token=office.bob, json={"reason": "a\0b"})
    assert (reply.status, reply.json) == (
        400,
        {
            "title": "Bad Request",
            "status": 400,
            "detail": "The text holds characters that cannot be printed. Leave them out.",
            "code": "text-characters",
        },
    )
    assert office.events() == []


def test_delete_release(office: Office) -> None:
    """The release's files are gone for ever, the other release stays."""
    furnish(office)
    reply = office.ask("DELETE", RELEASE, token=office.ada)
    assert (reply.status, reply.json) == (200, BOTH)
    assert [file.filename for file in office.files()] == [NEXT]
    assert office.events() == [Deleted(index=MAIN, project=DEMO, filenames=(WHEEL, SDIST), version="1.0")]
    assert office.ask("DELETE", RELEASE, token=office.ada).status == 404


def test_delete_file(office: Office) -> None:
    """One file is gone for ever; a member may not do that."""
    furnish(office)
    assert office.ask("DELETE", FILE, token=office.bob).status == 403
    assert office.events() == []
    reply = office.ask("DELETE", FILE, token=office.ada)
    assert reply.json == {"index": "main", "project": "demo", "filenames": [WHEEL]}
    assert [file.filename for file in office.files()] == [SDIST, NEXT]
    assert office.ask("DELETE", FILE, token=office.ada).status == 404
    assert len(office.events()) == 1
