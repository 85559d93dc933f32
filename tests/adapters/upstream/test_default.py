"""Which upstream a first run mirrors. No address of a public index stands here either: pip knows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from strongroom.adapters.upstream.default import default_upstream_url, find_public
from strongroom.core.upstream_url import check_upstream_url

PIPS_OWN = check_upstream_url(PyPI.simple_url).url


@pytest.fixture(autouse=True)
def pip_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give pip one file of configuration, which is empty yet, and no variable."""
    path = tmp_path / "pip.conf"
    path.touch()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return path


def configure(pip_conf: Path, monkeypatch: pytest.MonkeyPatch, *, lines: str) -> None:
    """Write pip's configuration."""
    pip_conf.write_text(lines)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(pip_conf))


def test_without_configuration_it_is_pips_own() -> None:
    """The constant of the library, in its one form."""
    assert default_upstream_url() == PIPS_OWN


def test_the_machines_configuration_counts(pip_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's `index-url` stands before the constant, the one for `install` before the global one."""
    configure(pip_conf, monkeypatch, lines="[global]\nindex-url = https://mirror.example/simple\n")
    assert default_upstream_url() == "https://mirror.example/simple/"


def test_the_variable_counts_more(pip_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PIP_INDEX_URL, then `install`, then `global`."""
    configure(
        pip_conf,
        monkeypatch,
        lines="[global]\nindex-url = https://one.example/simple\n[install]\nindex-url = https://two.example/simple\n",
    )
    assert default_upstream_url() == "https://two.example/simple/"
    monkeypatch.setenv("PIP_INDEX_URL", "https://three.example/simple/")
    assert default_upstream_url() == "https://three.example/simple/"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/simple/", "http://localhost:8000/simple/", "https://10.1.2.3/simple/", "file:///srv/simple",
        "http://[::1]/simple/", "https://packages/simple/", "https://packages.corp/simple/", "not a URL", "",
        "https://packages.internal./simple/", "https://user:secret@packages.example/simple/", "http://2130706433/simple/",
    ],
)  # fmt: skip
def test_private_places_are_passed_over(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Often it is this very server that pip was told of: it must not mirror itself, nor anything with a password."""
    monkeypatch.setenv("PIP_INDEX_URL", url)
    assert default_upstream_url() == PIPS_OWN
    assert find_public(url) is None


def test_a_broken_configuration_is_passed_over(pip_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip cannot read does not keep a server from starting."""
    configure(pip_conf, monkeypatch, lines="index-url: [broken\n")
    assert default_upstream_url() == PIPS_OWN


def test_public_addresses_may_be_upstreams() -> None:
    """A host may be written as an address, if it is a public one."""
    assert find_public("https://8.8.8.8:8443/simple") == "https://8.8.8.8:8443/simple/"
    assert find_public("https://[2606:4700::1]/simple/") == "https://[2606:4700::1]/simple/"
