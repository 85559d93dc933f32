"""What a page of the change feed does to a replica's tables.

Writes the rows as the primary has them, and no event of its own: those of the page are
copied. What refers to other rows comes after them, what they refer to goes last. A project
or index that is lost, but still holds something here, goes with the later page that
takes this away.
"""

from __future__ import annotations

from strongroom.core.events import Entry
from strongroom.core.index_settings import goes_elsewhere
from strongroom.core.model import File, Index, Tombstone
from strongroom.core.names import IndexName
from strongroom.core.replica_rows import Rows, UserRow
from strongroom.ports import Transaction


def apply_page(tx: Transaction, entries: tuple[Entry, ...], *, rows: Rows) -> None:
    """Copy the entries and bring the rows to where they stand; raises `Conflict` unless the entries are the next."""
    for entry in entries:
        tx.events.copy(entry)
    for index in rows.indexes:
        _save_index(tx, index)
    _save_reservations(tx, rows)
    for row in rows.users:
        _save_user(tx, row)
    _save_tokens(tx, rows)
    for project in rows.projects:
        tx.projects.save(project)
    _save_files(tx, rows)
    _save_decisions(tx, rows)
    _remove_lost(tx, rows)


def _save_index(tx: Transaction, index: Index) -> None:
    known = tx.indexes.find(index.name)
    if known is None:
        tx.indexes.add(index)
        return
    if goes_elsewhere(known, index):
        _forget_upstream(tx, index.name)
    tx.indexes.replace(index)


def _save_reservations(tx: Transaction, rows: Rows) -> None:
    wanted = {(row.index, row.pattern): row for row in rows.reservations}
    for known in tx.reservations.list():
        if known.index in rows.holders and (known.index, known.pattern) not in wanted:
            tx.reservations.remove(known.index, known.pattern)
    for row in wanted.values():
        tx.reservations.save(row)


def _save_user(tx: Transaction, row: UserRow) -> None:
    name = row.user.name
    if tx.users.find(name) is None:
        tx.users.add(row.user)
    else:
        tx.users.replace(row.user)
    for held in tx.users.list_grants(name):
        if held not in row.grants:
            tx.users.remove_grant(name, held)
    for grant in row.grants:
        tx.users.add_grant(name, grant)


def _save_tokens(tx: Transaction, rows: Rows) -> None:
    for row in rows.tokens:
        token = row.token()
        if tx.tokens.find(token.token_id) is None:
            tx.tokens.add(token)
        else:
            tx.tokens.replace(token)


def _save_files(tx: Transaction, rows: Rows) -> None:
    """Bury what was deleted, then store what is there: a file may have come back with the same bytes."""
    for tombstone in rows.tombstones:
        _bury(tx, tombstone)
    for file in rows.files:
        _save_file(tx, file)


def _bury(tx: Transaction, tombstone: Tombstone) -> None:
    if tx.files.find_tombstone(tombstone.index, tombstone.filename) != tombstone:
        tx.files.bury(tombstone)


def _save_file(tx: Transaction, file: File) -> None:
    if tx.files.find(file.index, file.filename) is None:
        tx.files.add(file)
    else:
        tx.files.replace(file)


def _save_decisions(tx: Transaction, rows: Rows) -> None:
    for exemption in rows.exemptions:
        known = tx.exemptions.find(exemption.exemption_id)
        (tx.exemptions.add if known is None else tx.exemptions.replace)(exemption)
    for promotion in rows.promotions:
        found = tx.promotions.find(promotion.promotion_id)
        (tx.promotions.add if found is None else tx.promotions.replace)(promotion)


def _remove_lost(tx: Transaction, rows: Rows) -> None:
    for index, project in rows.lost_projects:
        if not tx.files.list(index, project):
            tx.projects.remove(index, project)
    for name in rows.lost_indexes:
        if tx.indexes.find(name) is not None and not tx.files.count(name):
            _remove_index(tx, name)


def _remove_index(tx: Transaction, name: IndexName) -> None:
    for project in tx.projects.list(name):  # without files: a status is all that is left of them
        tx.projects.remove(name, project.name)
    _forget_upstream(tx, name)
    tx.indexes.remove(name)


def _forget_upstream(tx: Transaction, name: IndexName) -> None:
    """Forget what this replica kept of the index's upstream, as the primary did of what it kept itself."""
    tx.upstream_pages.remove(name)
    tx.copies.remove(name)
    tx.name_lists.remove(name)
