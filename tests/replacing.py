"""A copy with some fields changed, of a dataclass and of a struct alike (`copy.replace` of Python 3.13)."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


# Any: each field has a type of its own.
def replace(value: T, **changes: Any) -> T:
    """Return the value with these fields changed."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]
