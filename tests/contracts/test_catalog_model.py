"""SQLite and memory do the same, whatever is asked of them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.access import Right
from strongroom.core.errors import Conflict
from strongroom.core.exemptions import Decision
from strongroom.core.model import File, Lease, SetupLink, Tombstone, Yank
from strongroom.core.names import Filename, IndexName, ProjectName, TokenId, UserName
from strongroom.core.promotions import Stage
from strongroom.core.reservations import Hold
from strongroom.ports import Catalog, Transaction
from tests.contracts.driven import CHAIN_KEY, SOMEBODY
from tests.contracts.test_catalog_log import OTHER, REVOKED, UPLOADED
from tests.factories import (
    DEMO,
    a_copy,
    a_file,
    a_grant,
    a_name_list,
    a_project,
    a_promotion,
    a_reservation,
    a_scope,
    a_token,
    a_user,
    an_exemption,
    an_index,
    an_upstream_page,
    sha256_of,
)
from tests.fakes import START
from tests.replacing import replace

Step = Callable[[Transaction], object]

INDEXES = (IndexName("main"), IndexName("staging"))
OTHER_NAME = ProjectName("other")
USERS = (UserName("bob"), UserName("ada"))
TOKENS = (TokenId("A" * 16), TokenId("B" * 16))

flags = st.booleans()
index_names = st.sampled_from(INDEXES)
user_names = st.sampled_from(USERS)
times = st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes))
filenames = st.sampled_from(["demo-1.0.tar.gz", "demo-2.0.tar.gz", "other-1.0.tar.gz"])
serials = st.integers(1, 3)
files = st.builds(lambda name, index, serial: a_file(name, index=index, serial=serial), filenames, index_names, serials)
projects = st.builds(
    lambda name, index, serial: a_project(name, index=index, serial=serial),
    st.sampled_from(["demo", "other"]),
    index_names,
    serials,
)
indexes = st.builds(lambda name, is_open: an_index(name, anonymous_read=is_open), index_names, flags)
users = st.builds(lambda name, is_admin: a_user(name, admin=is_admin), user_names, flags)
grants = st.builds(
    lambda rights, index: a_grant(*rights, index=index),
    st.sets(st.sampled_from([Right.READ, Right.UPLOAD]), min_size=1),
    st.none() | index_names,
)
tokens = st.builds(
    lambda token_id, owner, at: replace(a_token(token_id, owner=owner, scope=a_scope(Right.READ)), last_used_at=at),
    st.sampled_from(TOKENS),
    user_names,
    st.none() | times,
)
reservations = st.builds(
    lambda pattern, index, hold: a_reservation(pattern, index=index, hold=hold),
    st.sampled_from(["demo", "demo-*"]),
    index_names,
    st.sampled_from(Hold),
)
pages = st.builds(
    lambda project, index, at, is_missing: replace(
        an_upstream_page(project, index=index, fetched_at=at), is_missing=is_missing
    ),
    st.sampled_from(["demo", "other"]),
    index_names,
    times,
    flags,
)
copies = st.builds(
    lambda name, index, at, is_stored: a_copy(name, index=index, last_used_at=at, is_stored=is_stored),
    filenames,
    index_names,
    st.none() | times,
    flags,
)
asked = st.dictionaries(st.tuples(index_names, st.sampled_from([DEMO, OTHER_NAME])), st.integers(1, 3))
used = st.dictionaries(st.tuples(index_names, filenames.map(Filename)), times)
name_lists = st.builds(lambda index, at: a_name_list(index=index, fetched_at=at), index_names, times)
leases = st.builds(Lease, st.sampled_from(["a", "b"]), times, st.just((sha256_of("x"),)))
links = st.builds(SetupLink, st.sampled_from([b"1", b"2"]), times)


def bury(file: File) -> Step:
    """Return the step that buries the file."""
    tombstone = Tombstone(file.index, file.project, file.filename, file.sha256, START)
    return lambda tx: tx.files.bury(tombstone)


steps: st.SearchStrategy[Step] = st.one_of(
    indexes.map(lambda index: lambda tx: tx.indexes.add(index)),
    indexes.map(lambda index: lambda tx: tx.indexes.replace(index)),
    index_names.map(lambda name: lambda tx: tx.indexes.remove(name)),
    projects.map(lambda project: lambda tx: tx.projects.save(project)),
    projects.map(lambda project: lambda tx: tx.projects.remove(project.index, project.name)),
    files.map(lambda file: lambda tx: tx.files.add(file)),
    files.map(lambda file: lambda tx: tx.files.replace(replace(file, yank=Yank("why")))),
    files.map(bury),
    users.map(lambda user: lambda tx: tx.users.add(user)),
    users.map(lambda user: lambda tx: tx.users.replace(user)),
    st.tuples(user_names, grants).map(lambda it: lambda tx: tx.users.add_grant(*it)),
    st.tuples(user_names, grants).map(lambda it: lambda tx: tx.users.remove_grant(*it)),
    tokens.map(lambda token: lambda tx: tx.tokens.add(token)),
    tokens.map(lambda token: lambda tx: tx.tokens.replace(token)),
    st.dictionaries(st.sampled_from(TOKENS), times).map(lambda used: lambda tx: tx.tokens.touch(used)),
    st.tuples(st.sampled_from([UPLOADED, OTHER, REVOKED]), times).map(
        lambda it: lambda tx: tx.events.append(it[0], at=it[1], actor=SOMEBODY)
    ),
    leases.map(lambda lease: lambda tx: tx.leases.add(lease)),
    leases.map(lambda lease: lambda tx: tx.leases.replace(lease)),
    leases.map(lambda lease: lambda tx: tx.leases.remove(lease.lease_id)),
    links.map(lambda link: lambda tx: tx.leases.put_setup_link(link)),
    links.map(lambda link: lambda tx: tx.leases.take_setup_link(link.digest)),
)

passage_steps: st.SearchStrategy[Step] = st.one_of(
    reservations.map(lambda item: lambda tx: tx.reservations.save(item)),
    reservations.map(lambda item: lambda tx: tx.reservations.remove(item.index, item.pattern)),
    pages.map(lambda page: lambda tx: tx.upstream_pages.save(page)),
    pages.map(lambda page: lambda tx: tx.upstream_pages.confirm(page.index, page.project, at=page.fetched_at)),
    pages.map(lambda page: lambda tx: tx.upstream_pages.remove(page.index, page.project)),
    index_names.map(lambda index: lambda tx: tx.upstream_pages.remove(index)),
    copies.map(lambda copy: lambda tx: tx.copies.save(copy)),
    copies.map(lambda copy: lambda tx: tx.copies.remove(copy.index, copy.filename)),
    index_names.map(lambda index: lambda tx: tx.copies.remove(index)),
    used.map(lambda used: lambda tx: tx.copies.touch(used)),
    name_lists.map(lambda names: lambda tx: tx.name_lists.save(names)),
    index_names.map(lambda index: lambda tx: tx.name_lists.remove(index)),
    st.tuples(asked, times).map(lambda it: lambda tx: tx.asked_names.add(*it)),
    times.map(lambda at: lambda tx: tx.asked_names.remove_before(at)),
    st.sampled_from(Decision).map(lambda it: lambda tx: tx.exemptions.add(an_exemption(decision=it))),
    st.sampled_from(Decision).map(lambda it: lambda tx: tx.exemptions.replace(an_exemption(decision=it))),
    st.sampled_from(Stage).map(lambda stage: lambda tx: tx.promotions.add(a_promotion(stage=stage))),
    st.sampled_from(Stage).map(lambda stage: lambda tx: tx.promotions.replace(a_promotion(stage=stage))),
)


def begin(tx: Transaction) -> None:
    """Make what most steps need to do something."""
    tx.indexes.add(an_index())
    tx.projects.save(a_project())
    tx.files.add(a_file("demo-1.0.tar.gz"))
    tx.users.add(a_user())
    tx.tokens.add(a_token(TOKENS[0]))


class Undone(Exception):
    """The transaction shall be rolled back, after this."""


def attempt(step: Step, tx: Transaction) -> object:
    """Return what the step returns, or that it was a conflict."""
    try:
        return step(tx)
    except Conflict:
        return Conflict


def transact(done: list[Step], *, is_kept: bool) -> Step:
    """Return a transaction of all steps, which may be undone at its end."""

    def run(tx: Transaction) -> list[object]:
        results = [attempt(step, tx) for step in done]
        if not is_kept:
            raise Undone(results)
        return results

    return run


def dump(tx: Transaction) -> list[object]:
    """Return everything that can be read."""
    return [
        tx.indexes.list(),
        [tx.projects.list(index) for index in INDEXES],
        [tx.files.list(index, DEMO) for index in INDEXES],
        [tx.files.count(index) for index in INDEXES],
        list(tx.files.scan()),
        [tx.files.find_tombstone(index, a_file("demo-1.0.tar.gz").filename) for index in INDEXES],
        tx.users.list(),
        [tx.users.list_grants(user) for user in USERS],
        tx.tokens.list(),
        tx.tokens.list(USERS[0]),
        tx.events.since(0),
        tx.events.latest(3, before=4, project=DEMO),
        tx.leases.list(),
        [tx.projects.find_owners(name) for name in (DEMO, OTHER_NAME)],
        *dump_passage(tx),
    ]


def dump_passage(tx: Transaction) -> list[object]:
    """Return everything that can be read of what comes through."""
    return [
        tx.reservations.list(),
        [tx.reservations.list_covering(project) for project in (DEMO, OTHER_NAME)],
        [tx.upstream_pages.find(index, project) for index in INDEXES for project in (DEMO, OTHER_NAME)],
        [tx.upstream_pages.list_names(index) for index in INDEXES],
        [tx.upstream_pages.find_indexes(project) for project in (DEMO, OTHER_NAME)],
        [tx.copies.list(index, DEMO) for index in INDEXES],
        set(tx.copies.scan()),
        tx.copies.stored_bytes(),
        tx.copies.list_least_used(4),
        tx.name_lists.list(),
        tx.asked_names.list(),
        tx.asked_names.list(INDEXES[0], 1),
        tx.exemptions.list(),
        tx.promotions.list(INDEXES[0]),
    ]


async def outcome(catalog: Catalog, work: Step) -> object:
    """Return what came of the transaction, and what is stored after it."""
    try:
        result = await catalog.write(work)
    except Undone as undone:
        result = undone.args
    return result, await catalog.read(dump)


async def compare(catalogs: tuple[Catalog, Catalog], transactions: list[tuple[list[Step], bool]]) -> None:
    """Run the same on both, and compare after each transaction."""
    try:
        first_of_all: tuple[list[Step], bool] = ([begin], True)
        for done, is_kept in [first_of_all, *transactions]:
            work = transact(done, is_kept=is_kept)
            first, second = [await outcome(catalog, work) for catalog in catalogs]
            assert first == second
    finally:
        for catalog in catalogs:
            await catalog.close()


def transactions_of(kind: st.SearchStrategy[Step]) -> st.SearchStrategy[list[tuple[list[Step], bool]]]:
    """Return transactions of such steps, some of which are undone at their end."""
    return st.lists(
        st.tuples(st.lists(kind, min_size=1, max_size=8), st.sampled_from([True, True, False])), max_size=12
    )


@given(transactions_of(steps) | transactions_of(passage_steps))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_sqlite_and_memory_agree(sqlite_template: Path, transactions: list[tuple[list[Step], bool]]) -> None:
    """Any sequence of transactions gives the same results, conflicts and contents on both."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sqlite_template, f"{folder}/catalog.db")
        sqlite = open_catalog(f"sqlite:///{folder}/catalog.db", chain_key=CHAIN_KEY, readers=1)
        asyncio.run(compare((MemoryCatalog(chain_key=CHAIN_KEY), sqlite), transactions))
