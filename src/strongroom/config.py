"""The settings: flags, then environment (STRONGROOM_*), then strongroom.toml, then defaults.

Frozen; all faults are reported together. Only `bootstrap` and `cli` read this.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from strongroom.core.errors import ConfigurationFault, InvalidName, InvalidRequest
from strongroom.core.names import IndexName, parse_index_name
from strongroom.core.ownership import Places
from strongroom.core.upstream_url import check_upstream_url

ENVIRONMENT_PREFIX = "STRONGROOM_"
CONFIG_FILE = Path("strongroom.toml")
NO_NETWORK = "none"
"""Said instead of networks."""

NO_UPSTREAM = "none"
"""Written as `default_upstream`: a first run mirrors nothing."""

Count = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set; each field is a variable, and those of `serve` a flag, of the same name."""

    data: Annotated[str, Meta(description="the data directory: database, blobs and key")] = "strongroom-data"
    database: Annotated[str, Meta(description="the catalog's URL; empty: SQLite in the data directory")] = ""
    blobs: Annotated[
        str,
        Meta(
            description="the bucket that keeps the files: s3://bucket/prefix, gs://bucket/prefix "
            "or az://container/prefix; empty: a directory in `data`"
        ),
    ] = ""
    key_file: Annotated[
        str, Meta(description="the file with the server's key, the same on all nodes; empty: `secret.key` in `data`")
    ] = ""
    host: Annotated[str, Meta(description="the address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="the port to listen on")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="worker processes")] = 1
    public_url: Annotated[str, Meta(description="the URL that clients use, when a proxy stands in front")] = ""
    root_path: Annotated[str, Meta(description="the path prefix that a proxy puts in front, such as /packages")] = ""
    default_index: Annotated[str, Meta(description="the index behind /simple/ and /legacy/")] = "main"
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="networks whose X-Forwarded-For is believed, separated by commas")
    ] = ()
    max_upload_bytes: Annotated[Count, Meta(description="the largest file that may be published")] = 4 * 2**30
    min_free_bytes: Annotated[int, Meta(ge=0, description="uploads stop when the disk has less room than this")] = (
        256 * 2**20
    )
    cache_bytes: Annotated[int, Meta(ge=0, description="memory for rendered pages, per worker")] = 256 * 2**20
    header_seconds: Annotated[Count, Meta(description="how long a client may take to send its headers")] = 10
    stall_seconds: Annotated[
        Count, Meta(description="a body must bring 1 KiB a second, measured over this many seconds")
    ] = 30
    body_seconds: Annotated[Count, Meta(description="how long a client may take to send a whole body")] = 3600
    drain_seconds: Annotated[Count, Meta(description="how long requests in flight may go on after SIGTERM")] = 20
    jobs: Annotated[
        bool, Meta(description="take turns at the jobs that one process does for all; no: leave them to `worker`")
    ] = True
    access_log: Annotated[bool, Meta(description="log a line for each request")] = False
    metrics_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="networks that may read /metrics without a token, separated by commas; none: no network. "
            "Through a proxy that is not trusted, nobody may; it must show itself by a header such as X-Forwarded-For"
        ),
    ] = ("127.0.0.0/8", "::1/128")
    tls_certificate: Annotated[
        str, Meta(description="the PEM file of the server's certificate chain; empty: no TLS")
    ] = ""
    tls_key: Annotated[str, Meta(description="the PEM file of the certificate's private key")] = ""
    tls_self_signed: Annotated[bool, Meta(description="serve TLS with a certificate made here, for trials")] = False
    default_upstream: Annotated[
        str,
        Meta(
            description="the simple API that the first run's index `public` mirrors; "
            "empty: the one that pip uses; none: no such index"
        ),
    ] = ""
    offline: Annotated[bool, Meta(description="never ask an upstream; serve what is kept of them")] = False
    upstream_seconds: Annotated[
        Count, Meta(description="how long an upstream may take to answer, and to send more of an answer")
    ] = 10
    upstream_networks: Annotated[
        tuple[str, ...],
        Meta(description="networks beside the public internet where upstreams may be, separated by commas"),
    ] = ()
    upstream_cache_bytes: Annotated[
        int, Meta(ge=0, description="room for files of upstreams, the least used leave first; 0: no limit")
    ] = 0

    @property
    def directory(self) -> Path:
        """Return the data directory as a path."""
        return Path(self.data).absolute()

    @property
    def key_path(self) -> Path | None:
        """Return the key file as a path; None where it is the one in the data directory."""
        return Path(self.key_file).absolute() if self.key_file else None

    @property
    def places(self) -> Places:
        """Return where the stores are, without credentials."""
        catalog = self.database_url.rpartition("@")[2].partition("?")[0].removeprefix("sqlite:///")
        return Places(catalog, self.blobs or str(self.directory / "blobs"))

    @property
    def database_url(self) -> str:
        """Return the catalog's URL, the default one spelled out."""
        return self.database or f"sqlite:///{self.directory / 'catalog.sqlite3'}"

    @property
    def is_alone(self) -> bool:
        """Return whether no other process serves this catalog."""
        return self.workers == 1 and self.database_url.startswith("sqlite:")

    @property
    def index(self) -> IndexName:
        """Return the default index's name."""
        return IndexName(self.default_index)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the trusted proxies' networks."""
        return tuple(ip_network(text, strict=False) for text in self.trusted_proxies)

    @property
    def allowed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks where upstreams may be, beside the public internet."""
        return tuple(ip_network(text, strict=False) for text in self.upstream_networks)

    @property
    def metrics_readers(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks that may read the metrics; none where a proxy hides who asks."""
        if self.metrics_networks == (NO_NETWORK,) or (self.public_url and not self.trusted_proxies):
            return ()
        return tuple(ip_network(text, strict=False) for text in self.metrics_networks)

    @property
    def has_tls(self) -> bool:
        """Return whether the server itself speaks TLS."""
        return self.tls_self_signed or bool(self.tls_certificate)

    @property
    def url_host(self) -> str:
        """Return the host name or address that clients ask for."""
        return (urlsplit(self.public_url).hostname or "") if self.public_url else self.host

    @property
    def url(self) -> str:
        """Return the URL that clients use, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{'https' if self.has_tls else 'http'}://{host}:{self.port}{self.root_path}"


_HINTS = get_type_hints(Settings, include_extras=True)


def load_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings; flags that are None count as not given. Raises `ConfigurationFault`."""
    faults: list[str] = []
    values: dict[str, Any] = {}  # Any: each value has the type of its field, which convert() checked
    for source, given in (("", _given_flags(flags)), ("variable ", _given_variables()), ("", _given_lines(faults))):
        for name, value in given.items():
            if name not in values:
                values[name] = _convert(name, value, source=source, faults=faults)
    faults += _judge_tls(values)
    if faults:
        raise ConfigurationFault("settings", "; ".join(faults), "Correct the flag, the variable or the line.")
    return Settings(**values)


def _judge_tls(values: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the three settings of TLS together."""
    given = [bool(values.get(name)) for name in ("tls_certificate", "tls_key")]
    if any(given) and values.get("tls_self_signed"):
        return ["tls_self_signed: a certificate is given already; choose one of the two"]
    if any(given) and not all(given):
        return ["tls_certificate and tls_key: one needs the other"]
    return []


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes `load_settings()` give these settings in another process."""
    values = msgspec.to_builtins(settings) | {"data": str(settings.directory)}
    return {_variable(name): _as_text(value) for name, value in values.items()}


def export_settings(settings: Settings) -> None:
    """Put the settings into this process's environment, for the workers that it starts."""
    os.environ.update(settings_environment(settings))


def default_settings() -> dict[str, str]:
    """Return the defaults by name, written as a variable takes them; empty where there is none."""
    return {name: _as_text(value) for name, value in msgspec.to_builtins(Settings()).items()}


def describe_settings() -> dict[str, str]:
    """Return what each setting is for, by its name."""
    return {name: _description(_HINTS[name]) for name in Settings.__struct_fields__}


def _given_flags(flags: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in (flags or {}).items() if value is not None}


def _given_variables() -> dict[str, object]:
    variables = {name: os.environ.get(_variable(name), "") for name in Settings.__struct_fields__}
    return {name: value for name, value in variables.items() if value}


def _given_lines(faults: list[str]) -> dict[str, object]:
    try:
        return tomllib.loads(CONFIG_FILE.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        faults.append(f"{CONFIG_FILE} cannot be read: {fault}")
        return {}


def _convert(name: str, value: object, *, source: str, faults: list[str]) -> object:
    if name not in Settings.__struct_fields__:
        faults.append(f"there is no setting '{name}'")
        return None
    shown = f"{source}{_variable(name) if source else name}"
    if _HINTS[name].__origin__ is bool and isinstance(value, str):
        value = _SWITCH.get(value.strip().lower(), value)
    if name in _LISTS and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        converted: object = msgspec.convert(value, _HINTS[name], strict=False)
        return _CHECKS[name](converted) if name in _CHECKS else converted
    except (ValueError, InvalidName, InvalidRequest) as fault:  # msgspec's ValidationError is a ValueError
        faults.append(f"{shown}: {getattr(fault, 'sentence', fault)} (got {_mask(value)})")
        return None


def _mask(value: object) -> str:
    """Show what was given, without what may be credentials in it."""
    return _QUERY.sub("?...", _USERINFO.sub("//...@", repr(value)))


def _check_index(value: object) -> str:
    return parse_index_name(str(value))


def _check_url(value: object) -> str:
    url = str(value).rstrip("/")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError("write a whole URL such as https://packages.company.example")
    return url


def _check_root_path(value: object) -> str:
    stripped = str(value).strip("/")
    return f"/{stripped}" if stripped else ""


def _check_networks(value: object) -> object:
    assert isinstance(value, tuple)
    for text in value:
        ip_network(text, strict=False)
    return value


def _check_upstream(value: object) -> str:
    if value in ("", NO_UPSTREAM):
        return str(value)
    checked = check_upstream_url(str(value))
    if checked.userinfo:
        raise ValueError("write it without user name and password; give these to the index, once it is there")
    return checked.url


def check_blobs(value: object) -> str:
    """Return the bucket's URL, or nothing for a local directory; raises `ValueError`, which does not quote it."""
    url = str(value).rstrip("/")
    parts = urlsplit(url)
    if not url:
        return ""
    if parts.scheme not in ("s3", "gs", "az") or not _BUCKET.fullmatch(parts.netloc):
        raise ValueError("write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, without credentials")
    if parts.query or parts.fragment or not _PREFIX.fullmatch(parts.path):
        raise ValueError("a prefix consists of letters, digits and the characters . _ - between slashes")
    return url


_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_USERINFO = re.compile(r"//.*@")
_QUERY = re.compile(r"\?[^'\"]*")
_SWITCH = {"yes": True, "on": True, "true": True, "1": True, "no": False, "off": False, "false": False, "0": False}
_LISTS = ("trusted_proxies", "upstream_networks", "metrics_networks")
_CHECKS: dict[str, Callable[[object], object]] = {
    "blobs": check_blobs,
    "default_index": _check_index,
    "public_url": _check_url,
    "root_path": _check_root_path,
    "trusted_proxies": _check_networks,
    "upstream_networks": _check_networks,
    "metrics_networks": lambda value: value if value == (NO_NETWORK,) else _check_networks(value),
    "default_upstream": _check_upstream,
}


def _variable(name: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{name.upper()}"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _description(hint: Any) -> str:  # Any: an Annotated type has no type of its own
    return next(
        (meta.description for meta in reversed(hint.__metadata__) if isinstance(meta, Meta) and meta.description), ""
    )
