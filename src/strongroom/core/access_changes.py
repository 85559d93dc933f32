"""Whether an event makes a kept answer to "who may" wrong.

A new user or token changes no answer that anybody has: so making tokens does not
send every worker to the catalog for all principals it knows, nor during an outage,
when it could not ask. Does not decide whose answers are dropped.
"""

from __future__ import annotations

from strongroom.core.events import AccessEvent, Event, TokenIssued, UserCreated


def changes_access(event: Event) -> bool:
    """Return whether what was known of who may do what can be wrong after it."""
    match event:
        case UserCreated() | TokenIssued(replaces=None):
            return False
        case _:
            return isinstance(event, AccessEvent)
