"""Which blobs belong to which catalog: both carry the same id, made at random when they first meet.

Without it an empty catalog beside the blobs of another one would take them all for bytes
that nobody needs. Decides which pairs may meet for the first time, and what is said of the
others. Does not look at the stores (`services/ownership.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.errors import ConfigurationFault, StorageFault

ADOPT = "If they belong together all the same: `strongroom adopt-blobs`."


@dataclass(frozen=True, slots=True)
class StoreId:
    """The id that a catalog carries; `is_marked`: its blobs were seen to carry it, too.

    Until then they are about to be marked, by whoever comes next if this one dies.
    """

    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Where the two stores are, in words for people."""

    catalog: str
    blobs: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What is in two stores of which the blobs carry no mark."""

    has_events: bool
    names_blobs: bool
    has_blobs: bool


def demand_fit(known: StoreId | None, sight: Sight, *, places: Places) -> None:
    """Raise `ConfigurationFault` unless blobs without a mark may become those of the catalog.

    Two stores that never met fit when both are empty, or both are filled, as an earlier
    release left them. Blobs that have lost their mark fit only where nothing can be lost.
    """
    if sight.has_blobs and not (sight.has_events or sight.names_blobs):
        raise ConfigurationFault(
            "blobs-other",
            f"The catalog in {places.catalog} is empty, and the files in {places.blobs} are those of another one",
            f"Name their catalog with --database or --data, or bring it back with `strongroom backup restore`. {ADOPT}",
        )
    is_known = known is not None and known.is_marked
    if (sight.names_blobs and not sight.has_blobs) or (is_known and (sight.names_blobs or sight.has_blobs)):
        raise ConfigurationFault(
            "blobs-other",
            f"The files of the catalog in {places.catalog} are not in {places.blobs}, but elsewhere",
            f"Set --blobs (STRONGROOM_BLOBS) or --data as on the other nodes. {ADOPT}",
        )


def demand_same_mark(known: StoreId | None, mark: str, *, places: Places) -> StoreId:
    """Return the catalog's id; raises `ConfigurationFault` unless the blobs carry it."""
    if known is None or known.text != mark:
        raise ConfigurationFault(
            "blobs-other",
            f"The files in {places.blobs} belong to another catalog than the one in {places.catalog}",
            "Set --database and --blobs (STRONGROOM_DATABASE, STRONGROOM_BLOBS) as on the other nodes, "
            f"or bring the catalog back with `strongroom backup restore`. {ADOPT}",
        )
    return known


def demand_removable(known: StoreId | None, mark: str | None) -> None:
    """Raise `StorageFault` unless the blobs are known to be the catalog's: only then may one be removed."""
    if known is None or mark is None or known.text != mark:
        raise StorageFault(
            "blobs-other",
            "Nothing shows that the stored files belong to this catalog, so none is removed",
            "Restart the server, which says what is wrong; or see `strongroom doctor`.",
        )
