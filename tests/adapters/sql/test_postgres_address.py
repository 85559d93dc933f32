"""Which addresses of PostgreSQL leave open who answers there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from strongroom.adapters.sql.postgres_address import is_unverified

FAR = "postgresql://user@db.company.example/name"
CHECKED = {"PGSSLMODE": "verify-full"}


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        (FAR, {}),
        (f"{FAR}?sslmode=require", CHECKED),
        ("postgresql://user@192.0.2.1:5433/name", {}),
        ("postgresql://user@/name?host=127.0.0.1&host=db.company.example", {}),
        ("postgresql://user@/name?host=/run/postgresql,db.company.example", {}),
        ("postgresql://user@/name", {"PGHOST": "db.company.example"}),
    ],
)
def test_a_server_elsewhere_has_to_prove_who_it_is(address: str, environment: Mapping[str, str]) -> None:
    """Encryption alone proves nothing, and one far server of several is enough."""
    assert is_unverified(address, environment=environment)


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        (f"{FAR}?sslmode=verify-full", {}),
        (f"{FAR}?sslmode=verify-ca", {}),
        (FAR, CHECKED),
        ("postgresql://user@localhost/name", {}),
        ("postgresql://user@127.0.0.1/name", {}),
        ("postgresql://user@[::1]:5433/name", {}),
        ("postgresql://user@/name?host=/run/postgresql", {}),
        ("postgresql://user@/name", {}),
        ("sqlite:////srv/catalog.db", {}),
        ("postgresql://user:hun@ter2:x/name", {}),
        ("nonsense", {}),
    ],
)
def test_what_is_near_or_checked_is_well(address: str, environment: Mapping[str, str]) -> None:
    """On one machine nobody stands between; what is no address is told elsewhere."""
    assert not is_unverified(address, environment=environment)
