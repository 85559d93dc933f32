"""How values without a column type of their own are stored: moments, spans of time, lists of texts, rules.

Decides the stored form only; which column holds what is in `schema.py`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, String, Text
from sqlalchemy.types import TypeDecorator

from strongroom.core.rules import NO_RULES, Rules

_RULES = msgspec.json.Decoder(Rules)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NAME = String().with_variant(String(collation="C"), "postgresql")
"""Text compared and ordered byte by byte, as SQLite does without being told."""

ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database counts up; SQLite does so only for a column called INTEGER."""


class Moment(TypeDecorator[datetime]):
    """An aware time as microseconds since 1970 in UTC: exact, and the same number in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Raise `TypeError` for a time without a zone."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Span(TypeDecorator[timedelta]):
    """A length of time as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        """Return the microseconds."""
        return None if value is None else value // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        """Return the length."""
        return None if value is None else value * _MICROSECOND


class TextList(TypeDecorator[tuple[str, ...]]):
    """Texts as a JSON array. Sets are sorted by whoever stores them, so that equal sets are equal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """Return the array without spaces."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Return the texts in their stored order."""
        return None if value is None else tuple(json.loads(value))


class RulesText(TypeDecorator[Rules]):
    """Rules as a JSON object of those that are not the default, so that a new rule needs no migration."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Rules | None, dialect: Dialect) -> str | None:
        """Return the object with sorted keys: equal rules are equal text."""
        if value is None:
            return None
        named = {field.name: getattr(value, field.name) for field in fields(Rules)}
        set_here = {name: set_to for name, set_to in named.items() if set_to != getattr(NO_RULES, name)}
        return msgspec.json.encode(set_here, order="deterministic").decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Rules | None:
        """Return the rules; what is not named is the default of today."""
        return None if value is None else _decode_rules(value)


@lru_cache(maxsize=256)
def _decode_rules(text: str) -> Rules:
    """Return the rules; the same few texts are read with each request."""
    return _RULES.decode(text)
