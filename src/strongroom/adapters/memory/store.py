"""The id of the catalog's blobs in memory."""

from __future__ import annotations

from strongroom.adapters.memory.state import State
from strongroom.core.ownership import StoreId


class MemoryStoreIds:
    """`ports.StoreIds` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self) -> StoreId | None:
        return self._state.store_ids.get(1)

    def save(self, store_id: StoreId) -> None:
        self._state.changing().store_ids[1] = store_id
