"""PostgreSQL's errors as errors of the ports, by their SQLSTATE.

Tells apart a server that cannot be reached, one that has too much to do, and one that
refuses for good. What the driver says about addresses and users goes to no client.
"""

from __future__ import annotations

import psycopg

from strongroom.core.errors import Conflict, StorageFault, StorageFull, StrongroomError, Unavailable, Unreachable

_GONE = ("08", "57P")
"""Connection lost; the server shuts down, has crashed or is starting."""

_LATER = ("40", "53", "55P03", "25P03", "25P04")
"""Deadlock, out of resources, lock not available, a transaction that was idle or took too long."""


def translate_postgres_error(error: BaseException) -> StrongroomError | None:
    """Return the error of the ports that says the same, or None when it is not the driver's."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    match state:
        case "23505":
            return Conflict("taken", "There is such a row already")
        case "23503":
            return Conflict("reference", "The change would leave something that refers to nothing")
        case "53100":
            return StorageFull(
                "disk-full", "The disk of the PostgreSQL server is full", "Free some space; nothing was lost."
            )
        case "57014":
            return Unavailable("catalog-slow", "PostgreSQL did not finish a statement in time", "Try again later.")
        # A connection that fails has no SQLSTATE, whatever the server said.
        case _ if state.startswith(_GONE) or (not state and isinstance(error, psycopg.OperationalError)):
            return unreachable()
        case _ if state.startswith(_LATER):
            return Unavailable("catalog-busy", "PostgreSQL has too much to do", "Try again later.")
    reason = error.diag.message_primary or type(error).__name__  # the rest, the detail, quotes whole rows
    failure = f"The catalog failed: {reason} ({state or 'no code'})"
    return StorageFault("catalog-fault", failure, "Run `strongroom doctor` on the server.")


def unreachable() -> Unreachable:
    """Return what is said while the server is not there."""
    return Unreachable("catalog-unreachable", "The PostgreSQL server does not answer", "Try again later.")


def cannot_start(error: BaseException | None) -> Unreachable:
    """Return what whoever starts the program is told; the driver's reason holds no password."""
    reason = str(error).strip().splitlines()[0] if error is not None and str(error).strip() else "it does not answer"
    return Unreachable(
        "catalog-unreachable",
        f"PostgreSQL cannot be used: {reason}",
        "Check that the server runs, that STRONGROOM_DATABASE leads to it, and that it lets this user in.",
    )
