"""Where the settings come from, and what is said about wrong ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from strongroom.config import (
    Settings,
    default_settings,
    describe_settings,
    export_settings,
    load_settings,
    settings_environment,
)
from strongroom.core.errors import ConfigurationFault


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in settings_environment(Settings()):
        monkeypatch.delenv(name, raising=False)
    yield
    for name in settings_environment(Settings()):
        os.environ.pop(name, None)  # what `export_settings` left; the monkeypatch would put it back


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    """The defaults are a loopback server on a directory beside the caller, with SQLite in it."""
    settings = load_settings()

    assert settings.url == "http://127.0.0.1:8000"
    assert settings.directory == tmp_path / "strongroom-data"
    assert settings.database_url == f"sqlite:///{tmp_path}/strongroom-data/catalog.sqlite3"
    assert settings.index == "main"
    assert settings.proxies == ()


def test_a_flag_counts_before_a_variable_before_a_line_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source is asked in its turn, setting by setting; an empty variable and a flag of None are not given."""
    (tmp_path / "strongroom.toml").write_text('port = 1003\nworkers = 3\nhost = "::1"\nroot_path = "pkg/"\n')
    monkeypatch.setenv("STRONGROOM_PORT", "1002")
    monkeypatch.setenv("STRONGROOM_WORKERS", "2")
    monkeypatch.setenv("STRONGROOM_HOST", "")

    settings = load_settings({"port": 1001, "workers": None})

    assert (settings.port, settings.workers, settings.host) == (1001, 2, "::1")
    assert settings.url == "http://[::1]:1001/pkg"


def test_all_faults_are_reported_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong flag, variable, line and name are named at once, each with what was given."""
    (tmp_path / "strongroom.toml").write_text('default_index = "simple"\nprot = 1\n')
    monkeypatch.setenv("STRONGROOM_WORKERS", "many")

    with pytest.raises(ConfigurationFault) as caught:
        load_settings({"port": 70000, "public_url": "packages.example", "trusted_proxies": "10.0.0.0/8,here"})

    for part in ("port: ", "70000", "public_url: ", "'here'", "variable STRONGROOM_WORKERS", "'simple'", "'prot'"):
        assert part in caught.value.message


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    """A file that is no TOML stops the program, with its name."""
    (tmp_path / "strongroom.toml").write_text("port 8000")

    with pytest.raises(ConfigurationFault, match=r"strongroom\.toml cannot be read"):
        load_settings()


def test_settings_travel_to_the_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a worker reads from the environment is what the command line was given."""
    given = load_settings(
        {
            "data": "here",
            "trusted_proxies": "10.0.0.0/8, fd00::/8",
            "public_url": "https://packages.example/",
            "root_path": "/packages",
            "access_log": True,
            "offline": True,
            "upstream_networks": "10.1.2.3/24,127.0.0.1",
            "default_upstream": "https://Upstream.example/simple",
        }
    )

    exported = settings_environment(given)
    export_settings(given)
    monkeypatch.chdir("/")
    received = load_settings()

    assert received.directory == tmp_path / "here"
    assert received.proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert received.url == "https://packages.example"
    assert received.access_log is True
    assert received.offline is True
    assert received.allowed_networks == (ip_network("10.1.2.0/24"), ip_network("127.0.0.1/32"))
    assert received.default_upstream == "https://upstream.example/simple/"
    assert settings_environment(received) == exported


def test_the_defaults_towards_upstreams() -> None:
    """An empty line means what pip uses; ten seconds, no private network, no limit, not offline."""
    settings = load_settings({"default_upstream": ""})

    assert (settings.default_upstream, settings.upstream_seconds, settings.upstream_cache_bytes) == ("", 10, 0)
    assert (settings.allowed_networks, settings.offline) == ((), False)


@pytest.mark.parametrize("url", ["https://user:hidden@upstream.example/", "ftp://user:hidden@upstream.example/"])
def test_credentials_in_the_default_upstream_are_refused_and_not_shown(url: str) -> None:
    """They would stand in the settings in plain text; the message doesn't repeat them."""
    with pytest.raises(ConfigurationFault, match="default_upstream: ") as caught:
        load_settings({"default_upstream": url})

    assert "hidden" not in caught.value.sentence


def test_every_setting_says_what_it_is_for() -> None:
    """The documentation is made from these sentences."""
    assert all(describe_settings().values())
    assert list(describe_settings()) == list(Settings.__struct_fields__)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("s3://packages", "s3://packages"),
        ("s3://packages/team/index/", "s3://packages/team/index"),
        ("gs://packages.company.example/x", "gs://packages.company.example/x"),
        ("az://container", "az://container"),
    ],
)
def test_a_bucket_is_named_by_its_url(given: str, kept: str) -> None:
    """Kind, name and prefix, and no slash at the end."""
    assert load_settings({"blobs": given}).blobs == kept


@pytest.mark.parametrize(
    "given",
    [
        "packages",
        "/srv/blobs",
        "file:///srv/blobs",
        "s3:///prefix",
        "s3://key:a-secret@packages",
        "s3://packages?secret=a-secret",
        "s3://packages/#part",
        "s3://packages//a",
        "s3://packages/../other",
    ],
)
def test_anything_else_is_no_bucket_and_secrets_in_it_are_not_repeated(given: str) -> None:
    """Credentials come from the environment only: in the URL they are refused, and not shown again."""
    with pytest.raises(ConfigurationFault) as caught:
        load_settings({"blobs": given})

    assert "blobs: " in caught.value.message
    assert "a-secret" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "networks"),
    [
        ({}, ["127.0.0.0/8", "::1/128"]),
        ({"metrics_networks": "10.0.0.0/8"}, ["10.0.0.0/8"]),
        ({"metrics_networks": "none"}, []),
        ({"public_url": "https://p.example"}, []),
        ({"public_url": "https://p.example", "trusted_proxies": "10.0.0.0/8"}, ["127.0.0.0/8", "::1/128"]),
    ],
)
def test_who_may_read_the_numbers(given: dict[str, object], networks: list[str]) -> None:
    """This machine; behind a proxy that is not trusted nobody, since everybody seems to be the proxy."""
    assert [str(network) for network in load_settings(given).metrics_readers] == networks


def test_tls_is_a_certificate_with_its_key_or_one_made_here() -> None:
    """Half a pair, or both at once, is refused; with TLS the URL says https."""
    pair = {"tls_certificate": "c.pem", "tls_key": "k.pem"}
    assert load_settings(pair).url == "https://127.0.0.1:8000"
    assert load_settings({"tls_self_signed": True}).url.startswith("https://")
    assert not load_settings().has_tls
    for wrong in ({"tls_key": "k.pem"}, {"tls_certificate": "c.pem"}, {**pair, "tls_self_signed": True}):
        with pytest.raises(ConfigurationFault, match="tls_"):
            load_settings(wrong)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [(word, True) for word in ("yes", "on", "true", "1", "True", " YES ")]
    + [(word, False) for word in ("no", "off", "false", "0", "False")],
)
def test_a_switch_is_on_or_off_in_any_usual_word(
    word: str,
    meaning: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`STRONGROOM_JOBS=no` is what anybody would write; so is `jobs = "no"`."""
    monkeypatch.setenv("STRONGROOM_JOBS", word)
    assert load_settings().jobs is meaning
    assert load_settings({"jobs": word}).jobs is meaning


def test_a_switch_in_any_other_word_is_refused() -> None:
    """It is neither, and the message names the setting."""
    with pytest.raises(ConfigurationFault, match="jobs: "):
        load_settings({"jobs": "perhaps"})


def test_the_defaults_are_shown_as_they_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies the column of the documentation changes nothing."""
    shown = default_settings()
    for name, text in shown.items():
        monkeypatch.setenv(f"STRONGROOM_{name.upper()}", text)

    assert load_settings() == Settings()
    assert (shown["jobs"], shown["offline"], shown["metrics_networks"]) == ("yes", "no", "127.0.0.0/8,::1/128")


def test_the_host_that_a_certificate_must_name() -> None:
    """The one of the public URL, else the address that is listened on."""
    assert load_settings({"public_url": "https://p.example:8443/x"}).url_host == "p.example"
    assert load_settings({"host": "::1"}).url_host == "::1"


@pytest.mark.parametrize(
    ("given", "is_alone"),
    [
        ({}, True),
        ({"workers": 2}, False),
        ({"database": "sqlite:////srv/catalog.sqlite3"}, True),
        ({"database": "postgresql://db.example/strongroom"}, False),
    ],
    ids=["as it comes", "two workers", "another file", "a shared catalog"],
)
def test_who_serves_a_catalog_alone(*, given: dict[str, object], is_alone: bool) -> None:
    """One worker on SQLite does; a second worker, or a catalog that other nodes may use, means company."""
    assert load_settings(given).is_alone is is_alone
