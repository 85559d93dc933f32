"""PostgreSQL's errors as errors of the ports, by their SQLSTATE."""

from __future__ import annotations

import psycopg

from strongroom.core.errors import Conflict, StorageFault, StorageFull, StrongroomError, Unavailable

_LATER = ("08", "40", "53", "55P03", "57")
"""Connection lost, deadlock, out of resources, lock not available, cancelled or shutting down."""


def translate_postgres_error(error: BaseException) -> StrongroomError | None:
    """Return the error of the ports that says the same, or None when it is not the driver's."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    if state == "23505":
        return Conflict("taken", "There is such a row already")
    if state == "23503":
        return Conflict("reference", "The change would leave something that refers to nothing")
    if state == "53100":
        return StorageFull(
            "disk-full", "The disk of the PostgreSQL server is full", "Free some space; nothing was lost."
        )
    if state.startswith(_LATER) or (not state and isinstance(error, psycopg.OperationalError)):
        return Unavailable("catalog-unreachable", "The PostgreSQL server does not answer", "Try again later.")
    return StorageFault(
        "catalog-fault", f"The catalog failed: {error} ({state or 'no code'})", "Run `strongroom doctor` on the server."
    )
