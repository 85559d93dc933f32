"""PEP 740: from the attestations of an upload to the provenance object."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.attestations import build_provenance

ATTESTATION = {
    "version": 1,
    "verification_material": {"certificate": "MIIB", "transparency_entries": [{"logIndex": "1"}]},
    "envelope": {"statement": "e30=", "signature": "c2ln"},
}


def test_attestations_are_bundled_unchanged() -> None:
    """PEP 740: the provenance object holds the attestations as the uploader sent them."""
    text = json.dumps([ATTESTATION, {**ATTESTATION, "extra": [1.50, "Zoë"]}], indent=1)
    provenance = build_provenance(text)
    assert provenance is not None
    assert json.loads(provenance) == {
        "version": 1,
        "attestation_bundles": [
            {"publisher": {"kind": "Unverified", "claims": None}, "attestations": json.loads(text)}
        ],
    }
    assert b'"extra": [\n   1.5,' in provenance


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        "[]",
        "[1]",
        '["a"]',
        "[{}]",
        json.dumps([{**ATTESTATION, "version": 2}]),
        json.dumps([{**ATTESTATION, "envelope": None}]),
        json.dumps([ATTESTATION] * 33),
        json.dumps([ATTESTATION]) + "x",
        "[" * 100_000,
        '[{"version":1,"envelope":{},"verification_material":{"a":' + "[" * 100_000,
    ],
)
def test_anything_else_is_no_attestation(text: str) -> None:
    """What cannot be read is left out and never a reason to fail."""
    assert build_provenance(text) is None


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Any text is an answer, not an exception."""
    assert build_provenance(text) is None
