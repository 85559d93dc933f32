"""The tables about what is kept of upstreams, on every catalog."""

from __future__ import annotations

from datetime import timedelta

from packaging.version import Version

from strongroom.core.mirrored import AskedName, Copy, Skipped, UpstreamPage
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import ProjectName, Sha256
from strongroom.ports import Transaction
from tests.contracts.driven import Driven, do_all
from tests.factories import (
    DEMO,
    MAIN,
    PUBLIC,
    STAGING,
    a_copy,
    a_file,
    a_missing_page,
    a_name_list,
    a_project,
    an_index,
    an_upstream_file,
    an_upstream_page,
    sha256_of,
)
from tests.fakes import START
from tests.replacing import replace

OTHER = ProjectName("other")
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def save_pages(catalog: Driven, *pages: UpstreamPage) -> None:
    """Save the pages."""
    do_all(catalog, lambda tx, page: tx.upstream_pages.save(page), *pages)


def full_page() -> UpstreamPage:
    """Return a page with everything that a page can have."""
    full = replace(
        an_upstream_file(uploaded_at=START + timedelta(microseconds=7)),
        version=Version("1!1.0rc1.post2.dev3+corp.1"),
        first_seen_at=START + timedelta(microseconds=999_999),
        requires_python=">=3.11,<4",
        yank=Yank("ünsound"),
        has_upstream_metadata=True,
        metadata_sha256=sha256_of("metadata"),
        provenance_url="https://upstream.example/provenance",
        vanished_at=START + DAY,
        size_bytes=2**40,
    )
    plain = replace(an_upstream_file("demo-2.0.tar.gz", uploaded_at=None), size_bytes=None, yank=Yank(""))
    return replace(
        an_upstream_page("demo", full, plain, an_upstream_file("demo-3.0.zip")),
        etag='W/"1"',
        status=ProjectStatus.DEPRECATED,
        status_reason="Use another.",
        skipped=(Skipped("demo-1.exe", "not a wheel"), Skipped("../x", "no \u2028 name \x00")),
    )


def test_an_upstream_page_comes_back_as_it_went_in(catalog: Driven) -> None:
    """Every field of the page and its files is stored, in their order, and an absent one stays absent."""
    page = full_page()
    catalog.write(lambda tx: tx.upstream_pages.save(page))
    catalog.write(lambda tx: tx.upstream_pages.save(a_missing_page("other")))
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, DEMO)) == page
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, OTHER)) == a_missing_page("other")
    assert catalog.read(lambda tx: tx.upstream_pages.find(MAIN, DEMO)) is None
    newer = an_upstream_page(fetched_at=START + DAY)
    catalog.write(lambda tx: tx.upstream_pages.save(newer))
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, DEMO)) == newer


def test_the_time_of_a_page_is_found_without_the_page(catalog: Driven) -> None:
    """A missing page has one, too; of a page that is not kept there is none."""
    save_pages(catalog, full_page(), replace(a_missing_page("other"), fetched_at=START + DAY))
    assert catalog.look(lambda tx: tx.upstream_pages.find_time(PUBLIC, DEMO)) == full_page().fetched_at
    assert catalog.look(lambda tx: tx.upstream_pages.find_time(PUBLIC, OTHER)) == START + DAY
    assert catalog.look(lambda tx: tx.upstream_pages.find_time(MAIN, DEMO)) is None


def test_a_confirmed_page_changes_its_time_only(catalog: Driven) -> None:
    """Other pages do not; confirming a page that is not there makes none."""
    page, missing = full_page(), a_missing_page("other")
    later = START + timedelta(minutes=10, microseconds=3)

    def confirm(tx: Transaction) -> None:
        tx.upstream_pages.confirm(PUBLIC, DEMO, at=later)
        tx.upstream_pages.confirm(MAIN, DEMO, at=later)

    save_pages(catalog, page, missing)
    catalog.write(confirm)
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, DEMO)) == replace(page, fetched_at=later)
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, OTHER)) == missing
    assert catalog.read(lambda tx: tx.upstream_pages.find(MAIN, DEMO)) is None


def test_only_pages_that_are_there_have_names(catalog: Driven) -> None:
    """A missing page is neither a name of the index nor an index of the name; both lists are sorted."""
    pages = [
        *(an_upstream_page(name) for name in ("zz", "a-b", "a0", "demo")),
        an_upstream_page("demo", index="main"),
        a_missing_page("gone"),
        a_missing_page("demo", index="staging"),
    ]
    save_pages(catalog, *pages)
    assert catalog.read(lambda tx: tx.upstream_pages.list_names(PUBLIC)) == ("a-b", "a0", "demo", "zz")
    assert catalog.read(lambda tx: tx.upstream_pages.list_names(STAGING)) == ()
    assert catalog.read(lambda tx: tx.upstream_pages.find_indexes(DEMO)) == ("main", "public")
    assert catalog.read(lambda tx: tx.upstream_pages.find_indexes(ProjectName("gone"))) == ()


def test_one_page_or_all_of_an_index_are_removed(catalog: Driven) -> None:
    """The pages of other indexes stay."""
    elsewhere = an_upstream_page(index="main")
    save_pages(catalog, an_upstream_page(), an_upstream_page("other"), a_missing_page("third"), elsewhere)
    catalog.write(lambda tx: tx.upstream_pages.remove(PUBLIC, DEMO))
    assert catalog.read(lambda tx: tx.upstream_pages.list_names(PUBLIC)) == ("other",)
    for _ in range(2):
        catalog.write(lambda tx: tx.upstream_pages.remove(PUBLIC))
    assert catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, ProjectName("third"))) is None
    assert catalog.read(lambda tx: tx.upstream_pages.list_names(PUBLIC)) == ()
    assert catalog.read(lambda tx: tx.upstream_pages.find(MAIN, DEMO)) == elsewhere


def keep(catalog: Driven, *copies: Copy) -> None:
    """Save the copies."""
    do_all(catalog, lambda tx, copy: tx.copies.save(copy), *copies)


def test_a_copy_comes_back_as_it_went_in(catalog: Driven) -> None:
    """Every field is stored, "no licence" apart from "nobody looked"; saving replaces."""
    full = replace(
        a_copy(last_used_at=START + DAY),
        size_bytes=2**40,
        metadata_sha256=sha256_of("metadata"),
        provenance_sha256=sha256_of("provenance"),
        licence="",
    )
    known = a_copy("demo-2.0.tar.gz", is_stored=False)
    elsewhere = replace(a_copy(index="main"), licence="MIT")
    keep(catalog, a_copy(), known, elsewhere, full)
    assert catalog.read(lambda tx: tx.copies.find(PUBLIC, full.filename)) == full
    assert catalog.read(lambda tx: tx.copies.find(PUBLIC, known.filename)) == known
    assert catalog.read(lambda tx: tx.copies.find(MAIN, full.filename)) == elsewhere
    assert catalog.read(lambda tx: tx.copies.find(MAIN, known.filename)) is None


def test_copies_of_a_project_are_listed_by_filename(catalog: Driven) -> None:
    """Neither those of other projects, nor those of other indexes."""
    first, second = a_copy("demo-1.0.tar.gz"), a_copy("demo-2.0.tar.gz")
    keep(catalog, second, first, a_copy("other-1.0.tar.gz"), a_copy("demo-1.0.tar.gz", index="main"))
    assert catalog.read(lambda tx: tx.copies.list(PUBLIC, DEMO)) == (first, second)
    assert catalog.read(lambda tx: tx.copies.list(STAGING, DEMO)) == ()


def test_the_last_use_only_moves_forward(catalog: Driven) -> None:
    """An earlier time than the stored one changes nothing, and a copy that is not there is not made."""
    used, unused, known = a_copy(last_used_at=START + DAY), a_copy("demo-2.0.tar.gz"), a_copy("demo-3.0.zip")
    keep(catalog, used, unused, known)
    earlier = dict.fromkeys([(PUBLIC, used.filename), (PUBLIC, unused.filename), (MAIN, used.filename)], START + SECOND)
    catalog.write(lambda tx: tx.copies.touch(earlier))
    catalog.write(lambda tx: tx.copies.touch({}))
    assert catalog.read(lambda tx: set(tx.copies.list(PUBLIC, DEMO))) == {
        used,
        replace(unused, last_used_at=START + SECOND),
        known,
    }
    assert catalog.read(lambda tx: tx.copies.find(MAIN, used.filename)) is None
    catalog.write(lambda tx: tx.copies.touch({(PUBLIC, used.filename): START + 2 * DAY}))
    assert catalog.read(lambda tx: tx.copies.find(PUBLIC, used.filename)) == replace(used, last_used_at=START + 2 * DAY)


def test_the_least_used_copies_are_found(catalog: Driven) -> None:
    """The last use counts, else the storing; what is not stored is not in the list, used or not."""
    oldest = replace(a_copy("demo-9.0.tar.gz"), stored_at=START - DAY)
    used = replace(a_copy("demo-1.0.tar.gz", last_used_at=START + DAY), stored_at=START - 2 * DAY)
    tie, tied = a_copy("demo-2.0.tar.gz"), a_copy("demo-2.0.tar.gz", index="main")
    known = a_copy("demo-3.0.tar.gz", is_stored=False)
    keep(catalog, used, tie, oldest, known, tied)
    catalog.write(lambda tx: tx.copies.touch({(PUBLIC, known.filename): START - 9 * DAY}))
    assert catalog.read(lambda tx: tx.copies.list_least_used(10)) == (oldest, tied, tie, used)
    assert catalog.read(lambda tx: tx.copies.list_least_used(1)) == (oldest,)
    catalog.write(lambda tx: tx.copies.touch({(PUBLIC, oldest.filename): START + 2 * DAY}))
    assert catalog.read(lambda tx: [copy.filename for copy in tx.copies.list_least_used(9)])[-1] == oldest.filename
    catalog.write(lambda tx: tx.copies.save(replace(tie, stored_at=None, size_bytes=0)))
    assert catalog.read(lambda tx: tx.copies.list_least_used(1)) == (tied,)
    assert tie.filename not in catalog.read(
        lambda tx: [copy.filename for copy in tx.copies.list_least_used(9) if copy.index == PUBLIC]
    )


def test_stored_bytes_are_added_up(catalog: Driven) -> None:
    """Shared bytes count twice; an empty cache holds none."""
    assert catalog.read(lambda tx: tx.copies.stored_bytes()) == 0
    big = replace(a_copy(), size_bytes=2**40)
    unstored = replace(a_copy("demo-2.0.tar.gz", is_stored=False), size_bytes=5)
    keep(catalog, big, replace(big, index=MAIN), unstored)
    assert catalog.read(lambda tx: tx.copies.stored_bytes()) == 2**41


def test_blobs_that_copies_name_are_found(catalog: Driven) -> None:
    """Their METADATA and provenance always, their own bytes only where those are stored; no others."""
    stored, known = a_copy("demo-1.tar.gz"), a_copy("demo-2.tar.gz", is_stored=False)
    beside = replace(known, metadata_sha256=sha256_of("metadata"), provenance_sha256=sha256_of("provenance"))
    do_all(catalog, lambda tx, copy: tx.copies.save(copy), stored, beside)
    asked = [stored.sha256, known.sha256, sha256_of("metadata"), sha256_of("provenance"), sha256_of("nobody's")]
    named = catalog.read(lambda tx: tx.copies.find_named(asked))
    assert named == {stored.sha256, sha256_of("metadata"), sha256_of("provenance")}
    assert catalog.read(lambda tx: tx.copies.find_named([])) == frozenset()
    assert catalog.read(lambda tx: tx.files.find_named(asked)) == frozenset()


def test_blobs_that_files_name_are_found(catalog: Driven) -> None:
    """The bytes, METADATA and provenance of any index; not those of other files that nobody asked about."""
    asked = [sha256_of(text) for text in ("bytes", "metadata", "provenance", "nobody's")]
    file = replace(a_file(), sha256=asked[0], metadata_sha256=asked[1], provenance_sha256=asked[2])

    def change(tx: Transaction) -> None:
        tx.indexes.add(an_index())
        tx.projects.save(a_project())
        tx.files.add(file)
        tx.files.add(a_file("demo-2.0.tar.gz"))

    catalog.write(change)
    assert catalog.read(lambda tx: tx.files.find_named(asked)) == frozenset(asked[:3])
    assert catalog.read(lambda tx: tx.files.find_named([])) == frozenset()
    assert catalog.read(lambda tx: tx.copies.find_named(asked)) == frozenset()


def test_named_blobs_are_listed_in_the_order_of_digests(catalog: Driven) -> None:
    """Each once, from any digest on; what nothing names is not there, nor are bytes that are not stored."""
    digests = sorted(sha256_of(str(number)) for number in range(12))
    one = replace(a_file(), sha256=digests[3], metadata_sha256=digests[1], provenance_sha256=digests[8])
    two = replace(a_file("demo-2.0.tar.gz"), sha256=digests[5], metadata_sha256=digests[1])
    stored = replace(a_copy("x-1.tar.gz", sha256=digests[4]), metadata_sha256=digests[2])
    known = replace(a_copy("x-2.tar.gz", is_stored=False), provenance_sha256=digests[7], metadata_sha256=digests[2])

    def change(tx: Transaction) -> None:
        tx.indexes.add(an_index())
        tx.projects.save(a_project())
        for file in (one, two):
            tx.files.add(file)
        for copy in (stored, known):
            tx.copies.save(copy)

    assert catalog.read(lambda tx: tx.files.list_named(digests[0], 9)) == ()
    catalog.write(change)
    files = tuple(digests[number] for number in (1, 3, 5, 8))
    copies = tuple(digests[number] for number in (2, 4, 7))

    def read(first: Sha256, most: int) -> tuple[tuple[Sha256, ...], tuple[Sha256, ...]]:
        return catalog.read(lambda tx: (tx.files.list_named(first, most), tx.copies.list_named(first, most)))

    assert read(digests[0], 9) == (files, copies)
    assert read(digests[0], 2) == (files[:2], copies[:2])
    assert read(digests[3], 9) == (files[1:], copies[1:])
    assert read(digests[9], 9) == ((), ())


def test_one_copy_or_all_of_an_index_are_removed(catalog: Driven) -> None:
    """Those of other indexes stay; removing what is not there is harmless."""
    keep(catalog, a_copy(), a_copy("demo-2.0.tar.gz"), a_copy("other-1.0.tar.gz"), a_copy(index="main"))
    for _ in range(2):
        catalog.write(lambda tx: tx.copies.remove(PUBLIC, a_copy().filename))
    assert catalog.read(lambda tx: tx.copies.list(PUBLIC, DEMO)) == (a_copy("demo-2.0.tar.gz"),)
    catalog.write(lambda tx: tx.copies.remove(PUBLIC))
    assert catalog.read(lambda tx: list(tx.copies.scan())) == [a_copy(index="main")]


def test_a_scan_passes_every_copy(catalog: Driven) -> None:
    """A scan yields each copy once, however many batches that takes."""
    copies = {a_copy(f"demo-{number}.0.tar.gz", index=index) for number in range(601) for index in ("public", "main")}
    keep(catalog, *copies)
    scanned = catalog.read(lambda tx: list(tx.copies.scan()))
    assert len(scanned) == len(copies)
    assert set(scanned) == copies


def test_a_list_of_names_is_saved_replaced_and_removed(catalog: Driven) -> None:
    """There is one for each index."""
    first, second = a_name_list(index="main"), replace(a_name_list(), etag='"2"', count=700_000)
    do_all(catalog, lambda tx, names: tx.name_lists.save(names), a_name_list(), first, second)
    assert catalog.read(lambda tx: tx.name_lists.list()) == (first, second)
    assert catalog.read(lambda tx: tx.name_lists.find(PUBLIC)) == second
    for _ in range(2):
        catalog.write(lambda tx: tx.name_lists.remove(PUBLIC))
    assert catalog.read(lambda tx: tx.name_lists.find(PUBLIC)) is None
    assert catalog.read(lambda tx: tx.name_lists.list()) == (first,)


def test_asked_names_are_counted(catalog: Driven) -> None:
    """Counts add up, the time is that of the last asking; the most wanted come first, then index and name."""
    catalog.write(lambda tx: tx.asked_names.add({(MAIN, DEMO): 2, (PUBLIC, DEMO): 5}, START))
    catalog.write(lambda tx: tx.asked_names.add({(MAIN, DEMO): 3, (MAIN, OTHER): 5}, START + DAY))
    catalog.write(lambda tx: tx.asked_names.add({}, START + 2 * DAY))
    demo, other = AskedName(MAIN, DEMO, 5, START + DAY), AskedName(MAIN, OTHER, 5, START + DAY)
    elsewhere = AskedName(PUBLIC, DEMO, 5, START)
    assert catalog.read(lambda tx: tx.asked_names.list()) == (demo, other, elsewhere)
    assert catalog.read(lambda tx: tx.asked_names.list(MAIN)) == (demo, other)
    assert catalog.read(lambda tx: tx.asked_names.list(limit=1)) == (demo,)
    catalog.write(lambda tx: tx.asked_names.add({(PUBLIC, DEMO): 1}, START))
    assert catalog.read(lambda tx: tx.asked_names.list(limit=1)) == (replace(elsewhere, count=6),)


def test_old_asked_names_are_forgotten(catalog: Driven) -> None:
    """Those that were asked for at that time or later stay."""
    catalog.write(lambda tx: tx.asked_names.add({(MAIN, DEMO): 1, (MAIN, OTHER): 1}, START))
    catalog.write(lambda tx: tx.asked_names.add({(MAIN, OTHER): 1}, START + DAY))
    assert catalog.write(lambda tx: tx.asked_names.remove_before(START)) == 0
    assert catalog.write(lambda tx: tx.asked_names.remove_before(START + DAY)) == 1
    assert catalog.read(lambda tx: tx.asked_names.list()) == (AskedName(MAIN, OTHER, 2, START + DAY),)
