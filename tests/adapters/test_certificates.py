"""The server's certificate: read, held against its key, made for a trial."""

from __future__ import annotations

import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.adapters.certificates import VALID_FOR, TlsFiles, open_self_signed, read_certificate
from strongroom.core.errors import ConfigurationFault

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_a_certificate_for_a_trial_names_host_and_machine(tmp_path: Path) -> None:
    """Ninety days for the host and for this machine; nobody else can read the key."""
    files = open_self_signed(tmp_path / "tls", "packages.example", now=NOW)
    made = read_certificate(files)

    assert made.names == ("packages.example", "localhost", "127.0.0.1", "::1")
    assert made.valid_until == NOW + VALID_FOR
    assert made.valid_from < NOW
    assert len(made.fingerprint.split(":")) == 32
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.key.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in files.key.parent.iterdir()) == ["certificate.pem", "key.pem"]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_a_server_on_all_addresses_is_named_as_its_machine(tmp_path: Path, host: str) -> None:
    """An address that means all of them is no name."""
    names = read_certificate(open_self_signed(tmp_path / "tls", host)).names

    assert host not in names
    assert "localhost" in names


def test_it_is_kept_while_it_serves(tmp_path: Path) -> None:
    """Clients were told to trust this one: it changes only when it ends, or when the host does."""
    first = read_certificate(open_self_signed(tmp_path / "tls", "a.example", now=NOW)).fingerprint

    def again(host: str, at: datetime) -> str:
        return read_certificate(open_self_signed(tmp_path / "tls", host, now=at)).fingerprint

    assert again("a.example", NOW + VALID_FOR - timedelta(days=8)) == first
    assert again("localhost", NOW) == first
    renewed = again("a.example", NOW + VALID_FOR - timedelta(days=6))
    assert renewed != first
    assert again("b.example", NOW + VALID_FOR) != renewed


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    """A crash between the two files leaves a key without its certificate: the next start mends it."""
    files = open_self_signed(tmp_path / "tls", "a.example")
    other = open_self_signed(tmp_path / "other", "a.example")
    files.key.unlink()
    other.key.rename(files.key)

    with pytest.raises(ConfigurationFault, match="is not the key of"):
        read_certificate(files)
    read_certificate(open_self_signed(tmp_path / "tls", "a.example"))


def test_a_directory_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    """With the place and what to do."""
    (tmp_path / "tls").write_text("in the way")

    with pytest.raises(ConfigurationFault, match="cannot be written to"):
        open_self_signed(tmp_path / "tls", "a.example")


@pytest.mark.parametrize(
    ("name", "host", "is_covered"),
    [
        ("*.example.org", "packages.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("Packages.Example", "packages.example.", True),
        ("packages.example", "example", False),
    ],
)
def test_a_star_stands_for_one_label(tmp_path: Path, name: str, host: str, *, is_covered: bool) -> None:
    """RFC 6125 6.4.3; case and a dot at the end do not matter."""
    certificate = read_certificate(open_self_signed(tmp_path / "tls", "a.example"))

    assert replace(certificate, names=(name,)).covers(host) is is_covered


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    """A missing file, text, and a key with a password: each named, with what to do."""
    files = open_self_signed(tmp_path / "tls", "a.example")
    text = tmp_path / "text.pem"
    text.write_text("-----BEGIN NOTHING-----")

    with pytest.raises(ConfigurationFault, match=r"none\.pem cannot be read") as missing:
        read_certificate(TlsFiles(tmp_path / "none.pem", files.key))
    assert "--tls-certificate" in missing.value.hint
    with pytest.raises(ConfigurationFault, match="holds no certificate in PEM"):
        read_certificate(TlsFiles(text, files.key))
    with pytest.raises(ConfigurationFault, match="holds no private key"):
        read_certificate(TlsFiles(files.certificate, text))
