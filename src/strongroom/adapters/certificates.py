"""The server's TLS certificate: read and judged, or made here for a trial.

Decides what a self-signed certificate says and when it is made anew. Does not speak
TLS (the server does) and never asks anybody for a certificate.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strongroom.core.errors import ConfigurationFault

VALID_FOR = timedelta(days=90)
_RENEWED_BEFORE_END = timedelta(days=7)
_ALWAYS = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificate chain and private key lie, as PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the first certificate of the chain says."""

    names: tuple[str, ...]
    """The host names and addresses that it is for."""
    valid_from: datetime
    valid_until: datetime
    fingerprint: str
    """SHA-256 over the certificate, in pairs of digits as browsers show it."""

    def covers(self, host: str) -> bool:
        """Return whether a client that asks for this host accepts it; a star stands for one label (RFC 6125 6.4.3)."""
        wanted = host.lower().rstrip(".")
        return any(
            fnmatch(wanted, name) and wanted.count(".") == name.count(".") for name in map(str.lower, self.names)
        )


def read_certificate(files: TlsFiles) -> Certificate:
    """Read both files and hold them against each other; raises `ConfigurationFault`."""
    chain = _read(files.certificate, "certificate", flag="--tls-certificate")
    private = _read(files.key, "private key", flag="--tls-key")
    try:
        found = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise _unusable(files.certificate, "holds no certificate in PEM", hint="Give the whole chain.") from None
    try:
        key = load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        hint = "Give the key in PEM, without a password."
        raise _unusable(files.key, "holds no private key that can be read", hint=hint) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        hint = "Give the key that the certificate was made for, and the server's own certificate first in the chain."
        raise _unusable(files.key, f"is not the key of {files.certificate}", hint=hint)
    digest = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(_names_of(found), found.not_valid_before_utc, found.not_valid_after_utc, digest)


def open_self_signed(directory: Path, host: str, *, now: datetime | None = None) -> TlsFiles:
    """Return a certificate for the host and this machine; made, or made anew when it no longer serves.

    Raises `ConfigurationFault` where the directory cannot be written to.
    """
    now = now or datetime.now(UTC)
    files = TlsFiles(directory / "certificate.pem", directory / "key.pem")
    if not _still_serves(files, host, now=now):
        _make(files, _names_for(host), now=now)
    return files


def _still_serves(files: TlsFiles, host: str, *, now: datetime) -> bool:
    try:
        kept = read_certificate(files)
    except ConfigurationFault:
        return False
    is_valid = kept.valid_from <= now < kept.valid_until - _RENEWED_BEFORE_END
    return is_valid and set(_names_for(host)) <= set(kept.names)


def _names_for(host: str) -> tuple[str, ...]:
    mine = host if host not in _EVERYWHERE else socket.gethostname()
    return tuple(dict.fromkeys((mine, *_ALWAYS)))


def _make(files: TlsFiles, names: tuple[str, ...], *, now: datetime) -> None:
    """Make key and certificate. It is no authority: whoever trusts it trusts this one server and no other.

    It has no key usage: one that does not allow signing would keep OpenSSL, and so pip, from
    taking it for its own issuer, and one that does would make it an authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Strongroom, self-signed")])
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    built = (
        x509.CertificateBuilder(subject, subject, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a client's clock may be a little behind
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    try:
        files.key.parent.mkdir(mode=0o700, exist_ok=True)
        _write(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
        _write(files.certificate, built.public_bytes(Encoding.PEM), mode=0o644)
    except OSError as fault:
        hint = "The server's user must be able to write to the data directory."
        raise _unusable(files.key.parent, f"cannot be written to: {fault.strerror}", hint=hint) from None


def _write(path: Path, content: bytes, *, mode: int) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)
    new.replace(path)


def _general_name(name: str) -> x509.GeneralName:
    address = _find_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _find_address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()  # clients no longer look at the common name (RFC 9110 4.3.4)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _read(path: Path, what: str, *, flag: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        reason = f"cannot be read: {fault.strerror or fault}"
        hint = f"Give the file of the {what} with {flag}, readable by the server."
        raise _unusable(path, reason, hint=hint) from None


def _unusable(path: Path, reason: str, *, hint: str) -> ConfigurationFault:
    return ConfigurationFault("tls", f"{path} {reason}", hint)
