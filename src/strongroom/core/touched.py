"""Which rows an event is about, by their keys.

Every kind of event is named here, so a new one cannot be forgotten: what is not
touched never reaches a replica. Does not load the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias, TypeVar, assert_never

from strongroom.core.events import (
    BlobsAdopted,
    Deleted,
    Event,
    ExemptionDecided,
    ExemptionRequested,
    GrantAdded,
    GrantRemoved,
    IndexChanged,
    IndexCreated,
    IndexDeleted,
    NameHeld,
    NameReleased,
    Promoted,
    PromotionRefused,
    PromotionRequested,
    PromotionUndone,
    ReplicaPromoted,
    SetupLinkIssued,
    StatusChanged,
    TokenIssued,
    TokenRevoked,
    Unyanked,
    Uploaded,
    UserChanged,
    UserCreated,
    Yanked,
)
from strongroom.core.names import Filename, IndexName, ProjectName, TokenId, UserName

K = TypeVar("K")
ProjectKey: TypeAlias = tuple[IndexName, ProjectName]
FileKey: TypeAlias = tuple[IndexName, Filename]


@dataclass(frozen=True, slots=True)
class Touched:
    """Keys of rows, in the order in which events named them; `everybody` is all users.

    An index stands for its settings and the names that it holds, a user for his grants
    too, a file for what its deletion leaves.
    """

    indexes: tuple[IndexName, ...] = ()
    projects: tuple[ProjectKey, ...] = ()
    files: tuple[FileKey, ...] = ()
    users: tuple[UserName, ...] = ()
    tokens: tuple[TokenId, ...] = ()
    exemptions: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()
    everybody: bool = False


def unite(parts: Iterable[Touched]) -> Touched:
    """Return the keys of all, each once."""
    every = tuple(parts)

    def once(keys: Iterable[tuple[K, ...]]) -> tuple[K, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(keys)))

    return Touched(
        indexes=once(part.indexes for part in every),
        projects=once(part.projects for part in every),
        files=once(part.files for part in every),
        users=once(part.users for part in every),
        tokens=once(part.tokens for part in every),
        exemptions=once(part.exemptions for part in every),
        promotions=once(part.promotions for part in every),
        everybody=any(part.everybody for part in every),
    )


def touched_by(event: Event) -> Touched:
    """Return the keys of the rows that the event is about, and of those that these refer to."""
    match event:
        case Uploaded(filename=filename):
            return _project(event.index, event.project, filenames=(filename,))
        case Yanked() | Unyanked() | Deleted():
            return _project(event.index, event.project, filenames=event.filenames)
        case StatusChanged():
            return _project(event.index, event.project)
        case PromotionRequested() | PromotionRefused():
            return Touched(promotions=(event.promotion,))
        case Promoted() | PromotionUndone():
            files = _project(event.index, event.project, filenames=event.filenames)
            return replace(files, promotions=(event.promotion,))
        case ExemptionRequested() | ExemptionDecided():
            return Touched(exemptions=(event.exemption,))
        case IndexCreated() | IndexChanged() | NameHeld() | NameReleased():
            return Touched(indexes=(event.index,))
        case IndexDeleted():  # grants on it went along, and no event names them
            return Touched(indexes=(event.index,), everybody=True)
        case UserCreated() | UserChanged() | GrantAdded() | GrantRemoved():
            return Touched(users=(event.user,))
        case TokenIssued(replaces=None) | TokenRevoked():
            return Touched(users=(event.owner,), tokens=(event.token,))
        case TokenIssued(replaces=replaced):
            assert replaced is not None
            return Touched(users=(event.owner,), tokens=(replaced, event.token))
        case SetupLinkIssued() | ReplicaPromoted() | BlobsAdopted():
            return Touched()
        case _:  # pragma: no cover
            assert_never(event)


def _project(index: IndexName, project: ProjectName, *, filenames: tuple[Filename, ...] = ()) -> Touched:
    files = tuple((index, filename) for filename in filenames)
    return Touched(indexes=(index,), projects=((index, project),), files=files)
