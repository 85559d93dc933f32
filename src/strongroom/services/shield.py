"""Names that an index keeps for itself: reserved, claimed, overlaid, released, and a report of what is near them.

Decides who may hold a name, and that only what exists upstream is claimed: a claim
lets other indexes ask for the name. Which source answers for a held name is decided
in `core/sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.core.access import SERVER, IndexTarget, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, NotFound
from strongroom.core.events import NameHeld, NameReleased
from strongroom.core.lookalikes import find_lookalikes
from strongroom.core.mirrored import AskedName
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName, ProjectPattern
from strongroom.core.policies.upstream_name import Namesakes, remark_namesakes
from strongroom.core.remarks import parse_remark
from strongroom.core.reservations import Hold, Reservation, demand_sensible, is_exact
from strongroom.ports import Catalog, Clock, KnownNames, NameKnowledge, Transaction

MOST_ASKED = 100
"""The most names that a report lists because clients asked for them."""
_UNKNOWN = NameKnowledge(upstreams=(), is_certain=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """A name or prefix of an index, and what is to be done with it."""

    index: IndexName
    pattern: ProjectPattern
    hold: Hold
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it is now, and what whoever asked for it should know."""

    reservation: Reservation
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InternalName:
    """A name of an index, with files or held, that exists in the upstream of these indexes too."""

    index: IndexName
    project: ProjectName
    hold: Hold | None
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedName:
    """A name that clients asked for and nobody owns, with the names that it may be meant for."""

    index: IndexName
    project: ProjectName
    count: int
    last_asked_at: datetime
    lookalikes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameReport:
    """What the kept name lists say about names here. `is_certain`: the lists of all upstreams are here."""

    internal: tuple[InternalName, ...]
    wanted: tuple[WantedName, ...]
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Shield:
    """The use cases about held names."""

    catalog: Catalog
    clock: Clock
    known_names: KnownNames | None = None

    async def hold(self, caller: Caller, wish: Wish) -> Held:
        """Reserve, claim or overlay; what the index did with the pattern before is replaced.

        The same again changes nothing. Raises `InvalidRequest` for a pattern that cannot be
        held so, `Conflict` for a claim on a name that no upstream has, `NotFound`, `Forbidden`
        (reserving a prefix, or a name that exists upstream, takes an administrator).
        """
        wish = replace(wish, reason=parse_remark(wish.reason))
        demand_sensible(wish.pattern, wish.hold)
        await self.catalog.read(lambda tx: _demand_manager(tx, caller, name=wish.index))
        known = await self._look_up(wish.pattern)
        _demand_claimable(wish, known)

        def change(tx: Transaction) -> Reservation:
            _demand_manager(tx, caller, name=wish.index)
            _demand_reach(caller, wish=wish, known=known)
            earlier = tx.reservations.find(wish.index, wish.pattern)
            if earlier is not None and (earlier.hold, earlier.reason) == (wish.hold, wish.reason):
                return earlier
            now = self.clock.now()
            made = Reservation(wish.index, wish.pattern, wish.hold, now, caller.actor.name, wish.reason)
            tx.reservations.save(made)
            event = NameHeld(index=wish.index, pattern=wish.pattern, hold=wish.hold.value, reason=wish.reason)
            tx.events.append(event, at=now, actor=caller.actor)
            return made

        return Held(await self.catalog.write(change), _remark(wish, known))

    async def release(self, caller: Caller, index: IndexName, *, pattern: ProjectPattern) -> Reservation:
        """Let go of a name or prefix, and return what it was; raises `NotFound`, `Forbidden`."""

        def change(tx: Transaction) -> Reservation:
            _demand_manager(tx, caller, name=index)
            found = tx.reservations.find(index, pattern)
            if found is None:
                raise NotFound(
                    "name-not-held",
                    f"The index '{index}' does not hold '{pattern}'",
                    f"See `strongroom name list --index {index}`.",
                )
            tx.reservations.remove(index, pattern)
            event = NameReleased(index=index, pattern=pattern, hold=found.hold.value)
            tx.events.append(event, at=self.clock.now(), actor=caller.actor)
            return found

        return await self.catalog.write(change)

    async def list(self, caller: Caller, index: IndexName | None = None) -> tuple[Reservation, ...]:
        """Return what the index holds, or what all indexes hold that the caller manages, by index and pattern.

        Held names are told to nobody else: they may name what is not published yet.
        """

        def load(tx: Transaction) -> tuple[Reservation, ...]:
            managed = {item.name for item in _list_managed(tx, caller, only=index)}
            return tuple(item for item in tx.reservations.list() if item.index in managed)

        return await self.catalog.read(load)

    async def report(self, caller: Caller, index: IndexName | None = None) -> NameReport:
        """Report names that exist upstream too, and names that clients ask for in vain.

        Of one index, or of all that the caller manages. Sends nothing upstream.
        """
        findings = await self.catalog.read(lambda tx: _find_names(tx, caller, only=index))
        internal: list[InternalName] = []
        is_certain = self.known_names is not None
        for item in findings.own:
            known = await self._look_up(item.project, with_lookalikes=False)
            is_certain = is_certain and known.is_certain
            if known.upstreams:
                internal.append(replace(item, upstreams=known.upstreams))
        wanted: list[WantedName] = []
        for asked in findings.asked:
            known = await self._look_up(asked.project)
            if known.upstreams:
                continue
            alike = {*known.lookalikes, *find_lookalikes(asked.project, findings.names)}
            wanted.append(
                WantedName(asked.index, asked.project, asked.count, asked.last_asked_at, tuple(sorted(alike)))
            )
        return NameReport(tuple(internal), tuple(wanted[:MOST_ASKED]), is_certain=is_certain)

    async def _look_up(self, pattern: ProjectPattern | ProjectName, *, with_lookalikes: bool = True) -> NameKnowledge:
        if self.known_names is None or not is_exact(ProjectPattern(pattern)):
            return _UNKNOWN
        return await self.known_names.look_up(ProjectName(pattern), with_lookalikes=with_lookalikes)


@dataclass(frozen=True, slots=True)
class _Findings:
    """The names to look up: an index's own, those asked for in vain, and all that may be meant by these."""

    own: tuple[InternalName, ...]
    asked: tuple[AskedName, ...]
    names: frozenset[ProjectName]


def _find_names(tx: Transaction, caller: Caller, *, only: IndexName | None) -> _Findings:
    managed = _list_managed(tx, caller, only=only)
    reservations = tx.reservations.list()
    projects = {item.name: frozenset(project.name for project in tx.projects.list(item.name)) for item in managed}
    taken = frozenset(project.name for item in tx.indexes.list() for project in tx.projects.list(item.name))
    own = [item for place in managed for item in _own_names(place.name, projects[place.name], held=reservations)]
    asked = [
        item
        for place in managed
        for item in tx.asked_names.list(place.name)
        if item.project not in taken and not any(held.covers(item.project) for held in reservations)
    ]
    most_first = sorted(asked, key=lambda item: (-item.count, item.index, item.project))
    return _Findings(tuple(own), tuple(most_first[: 2 * MOST_ASKED]), frozenset().union(*projects.values()))


def _own_names(index: IndexName, projects: Iterable[ProjectName], *, held: Iterable[Reservation]) -> list[InternalName]:
    holds = {ProjectName(item.pattern): item.hold for item in held if item.index == index and item.is_exact}
    return [InternalName(index, name, holds.get(name), ()) for name in sorted({*projects, *holds})]


def _list_managed(tx: Transaction, caller: Caller, *, only: IndexName | None) -> list[Index]:
    if only is not None:
        return [_demand_manager(tx, caller, name=only)]
    return [item for item in tx.indexes.list() if caller.may(Right.MANAGE, IndexTarget(item.name))]


def _demand_manager(tx: Transaction, caller: Caller, *, name: IndexName) -> Index:
    caller.demand(Right.MANAGE, IndexTarget(name), indexes=tx.indexes.list())
    index = tx.indexes.find(name)
    if index is None:
        raise NotFound("index-unknown", f"There is no index '{name}'", "Check its name; see `strongroom index list`.")
    return index


def _demand_reach(caller: Caller, *, wish: Wish, known: NameKnowledge | None) -> None:
    """Raise `Forbidden` for a reservation that keeps public names from other indexes, unless by an administrator.

    A reserved name is asked of no upstream, whichever index is asked: so the manager of one
    index may reserve what nobody else can want, and not `requests` or `a*`.
    """
    is_public = known is not None and bool(known.upstreams)
    if wish.hold is not Hold.RESERVED or (is_exact(wish.pattern) and not is_public):
        return
    if caller.may(Right.ADMINISTER, SERVER):
        return
    if is_public:
        reason = f"'{wish.pattern}' exists upstream, and reserved it would be kept from every index of this server"
        hint = f"Claim it for this index alone: strongroom name claim {wish.pattern} --index {wish.index}"
    else:
        reason = f"'{wish.pattern}' means many names, and reserved they would be kept from every index of this server"
        hint = "Reserve the names one by one, or ask an administrator of the server."
    raise Forbidden("reservation-reach", reason, hint)


def _demand_claimable(wish: Wish, known: NameKnowledge) -> None:
    """Raise `Conflict` for a claim on a name of nobody's: other indexes would send it upstream from then on."""
    if wish.hold is Hold.RESERVED or known.upstreams or not known.is_certain:
        return
    raise Conflict(
        "name-not-upstream",
        f"No upstream has a project '{wish.pattern}', so there is nothing to claim or to overlay",
        f"Reserve the name instead: strongroom name reserve {wish.pattern} --index {wish.index}",
    )


def _remark(wish: Wish, known: NameKnowledge) -> tuple[str, ...]:
    if known is _UNKNOWN:
        return ()
    project = ProjectName(wish.pattern)
    remarks = remark_namesakes(project, namesakes=Namesakes(known.upstreams, known.is_certain, known.lookalikes))
    if wish.hold is Hold.RESERVED and known.upstreams:
        told = (
            f"'{project}' exists upstream too: through no index of this server does anybody get it from there now. "
            f"If other indexes shall, claim it instead: strongroom name claim {project} --index {wish.index}"
        )
        return (told, *remarks)
    return remarks
