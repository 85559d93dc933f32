"""PEP 740: from the attestations of an upload to the provenance object that is served.

Decides what looks like an attestation. Does not verify signatures, and says so in
the publisher's kind; clients verify.
"""

from __future__ import annotations

from typing import Literal

import msgspec

_MOST_ATTESTATIONS = 32


class _Attestation(msgspec.Struct):
    """PEP 740: "version", "verification_material" and "envelope" are required."""

    version: Literal[1]
    verification_material: dict[str, msgspec.Raw]
    envelope: dict[str, msgspec.Raw]


class _Publisher(msgspec.Struct):
    kind: str
    claims: None = None


class _Bundle(msgspec.Struct):
    publisher: _Publisher
    attestations: list[msgspec.Raw]


class _Provenance(msgspec.Struct):
    version: int
    attestation_bundles: list[_Bundle]


_decode_attestations = msgspec.json.Decoder(list[_Attestation]).decode
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode


def build_provenance(attestations: str) -> bytes | None:
    """Return the provenance object of a JSON array of attestations; None for anything else.

    The attestations stay byte for byte as they came.
    """
    try:
        checked = _decode_attestations(attestations)
        raw = _decode_parts(attestations)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    if not 0 < len(checked) <= _MOST_ATTESTATIONS:
        return None
    bundle = _Bundle(_Publisher(kind="Unverified"), raw)
    return msgspec.json.encode(_Provenance(version=1, attestation_bundles=[bundle]))
