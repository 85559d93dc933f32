"""Which rows an event is about, by their keys.

Every kind of event is named here, so a new one cannot be forgotten: what is not
touched never reaches a replica. Does not load the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from strongroom.core.events import (
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

ProjectKey: TypeAlias = tuple[IndexName, ProjectName]
FileKey: TypeAlias = tuple[IndexName, Filename]


@dataclass(frozen=True, slots=True)
class Touched:
    """Keys of rows, without doubles and in the order in which events named them; `everybody` is all users.

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

    def __or__(self, other: Touched) -> Touched:
        """Return the keys of both."""
        return Touched(
            indexes=(*self.indexes, *other.indexes),
            projects=(*self.projects, *other.projects),
            files=(*self.files, *other.files),
            users=(*self.users, *other.users),
            tokens=(*self.tokens, *other.tokens),
            exemptions=(*self.exemptions, *other.exemptions),
            promotions=(*self.promotions, *other.promotions),
            everybody=self.everybody or other.everybody,
        ).once()

    def once(self) -> Touched:
        """Return each key once."""
        return Touched(
            indexes=tuple(dict.fromkeys(self.indexes)),
            projects=tuple(dict.fromkeys(self.projects)),
            files=tuple(dict.fromkeys(self.files)),
            users=tuple(dict.fromkeys(self.users)),
            tokens=tuple(dict.fromkeys(self.tokens)),
            exemptions=tuple(dict.fromkeys(self.exemptions)),
            promotions=tuple(dict.fromkeys(self.promotions)),
            everybody=self.everybody,
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
            return files | Touched(promotions=(event.promotion,))
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
        case SetupLinkIssued() | ReplicaPromoted():
            return Touched()
        case _:  # pragma: no cover
            assert_never(event)


def _project(index: IndexName, project: ProjectName, *, filenames: tuple[Filename, ...] = ()) -> Touched:
    files = tuple((index, filename) for filename in filenames)
    return Touched(indexes=(index,), projects=((index, project),), files=files)
