"""Who asks, as a use case takes it: the principal who decides and the actor who is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from strongroom.core.access import Operator, Principal, ProjectTarget, Right, Target, allows, demand, describe
from strongroom.core.events import Actor
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.policy import Allow
from strongroom.core.sources import list_reached


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal, with the address and the client program that he came with."""

    principal: Principal
    address: str = ""
    client: str = ""

    @property
    def actor(self) -> Actor:
        """Return what the event log keeps."""
        return Actor(name=describe(self.principal), address=self.address, client=self.client)

    def demand(self, right: Right, target: Target, *, indexes: Iterable[Index]) -> None:
        """Raise as `access.demand` does; `indexes` are all indexes as the transaction sees them."""
        demand(self.principal, right, target=target, open_indexes=open_indexes(indexes))

    def may(self, right: Right, target: Target, *, opened: frozenset[IndexName] = frozenset()) -> bool:
        """Return whether the caller has the right; `opened` are the indexes that anybody may read."""
        return isinstance(allows(self.principal, right, target=target, open_indexes=opened), Allow)


def operator(login: str) -> Caller:
    """Return the caller of the command line on the store itself."""
    return Caller(Operator(login), client="strongroom")


def open_indexes(indexes: Iterable[Index]) -> frozenset[IndexName]:
    """Return the names of the indexes that anybody may read."""
    return frozenset(index.name for index in indexes if index.anonymous_read)


def list_nameable(
    caller: Caller, project: ProjectName, *, start: Index, indexes: Iterable[Index]
) -> frozenset[IndexName]:
    """Return the indexes that the caller may hear of who makes the name new in `start`.

    Those that `start`, or an index where he may read the project, gets names from: of any
    other he is not told that it exists, nor what its upstream has.
    """
    known = {index.name: index for index in indexes}
    opened = open_indexes(known.values())
    read = [
        index for index in known.values() if caller.may(Right.READ, ProjectTarget(index.name, project), opened=opened)
    ]
    return list_reached((start, *read), known)
