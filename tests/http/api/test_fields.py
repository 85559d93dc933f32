"""What the document says of names, versions and networks is what is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.names import (
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_user_name,
    parse_version,
)
from strongroom.core.rule_text import parse_versions
from strongroom.http.api import fields
from tests.http.api.office import Office

Schema = dict[str, Any]  # Any: JSON Schema's own values

NETWORK: Schema = fields.NETWORK_SCHEMA
IPV4, _, IPV6 = NETWORK["anyOf"]


@pytest.mark.parametrize(
    ("schema", "parse"),
    [
        (fields.INDEX_SCHEMA, parse_index_name),
        (fields.PROJECT_SCHEMA, parse_project_name),
        (fields.USER_SCHEMA, parse_user_name),
        (fields.PATTERN_SCHEMA, parse_project_pattern),
        (fields.VERSION_SCHEMA, parse_version),
        (fields.VERSIONS_SCHEMA, parse_versions),
        (IPV4, lambda text: ip_network(text, strict=False)),
        (IPV6, lambda text: ip_network(text, strict=False)),
    ],
    ids=["index", "project", "user", "pattern", "version", "versions", "IPv4", "IPv6"],
)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_whatever_fits_its_schema_is_taken(schema: Schema, parse: Callable[[str], object], data: st.DataObject) -> None:
    """So no client that keeps to the document is told that it does not."""
    text = data.draw(st.from_regex(re.compile(schema["pattern"], re.ASCII), fullmatch=True))
    refused = schema.get("not", {}).get("enum", ())
    if text not in refused and len(text) <= schema.get("maxLength", len(text)) and not text.endswith("\n"):
        parse(text)


@pytest.mark.parametrize(
    "version",
    ["1", "1.2.0", "2!1.0", "1.0rc1", "1.0.RC-1", "1.0-alpha", "1.0c", "1.0.post2", "1.0-3", "1.0.rev", "v1.0_r4",
     "1.0.dev", "1.0.DEV5", "1.0+corp.3", "1.0b2.post345.dev456+a-b_c", "V1.0PREVIEW2"],
)  # fmt: skip
def test_every_version_fits_its_schema(version: str) -> None:
    """PEP 440 has many spellings, and a client that checks by the document must refuse none of them."""
    parse_version(version)
    assert re.search(str(fields.VERSION_SCHEMA["pattern"]), version)


@pytest.mark.parametrize("version", ["", "one", "1.0-", "1.0+", "1..0", "1.0rc1rc2", "!1"])
def test_no_other_text_fits(version: str, office: Office) -> None:
    """What is no version does not fit, and is refused as what it is."""
    assert not re.search(str(fields.VERSION_SCHEMA["pattern"]), version)
    path = f"/indexes/main/projects/demo/explanation?version={version.replace('+', '%2B')}"
    reply = office.ask("GET", path, token=office.ada)
    assert (reply.status, reply.json["code"]) == (422, "version")


def test_an_explanation_takes_any_version(office: Office) -> None:
    """Also one with an epoch and a local part."""
    path = "/indexes/main/projects/demo/explanation?version=2!1.0%2Bcorp.3"
    assert office.ask("GET", path, token=office.ada).status == 200
