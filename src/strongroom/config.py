"""The settings: flags, then environment (STRONGROOM_*), then strongroom.toml, then defaults.

Frozen; all faults are reported together. Only `bootstrap` and `cli` read this.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AnyHttpUrl, BeforeValidator, Field, TypeAdapter, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from strongroom.core.errors import ConfigurationFault, InvalidName
from strongroom.core.names import IndexName, parse_index_name

ENVIRONMENT_PREFIX = "STRONGROOM_"
CONFIG_FILE = Path("strongroom.toml")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Everything that can be set; each field is a flag and a variable of the same name."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="forbid", toml_file=CONFIG_FILE, env_ignore_empty=True
    )

    data: Path = Field(Path("strongroom-data"), description="the data directory: database, blobs and key")
    database: str = Field("", description="the catalog's URL; empty: SQLite in the data directory")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="the port to listen on")
    workers: int = Field(1, ge=1, le=64, description="worker processes")
    public_url: str = Field("", description="the URL that clients use, when a proxy stands in front")
    root_path: str = Field("", description="the path prefix that a proxy puts in front, such as /packages")
    default_index: str = Field("main", description="the index behind /simple/ and /legacy/")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="networks whose X-Forwarded-For is believed, separated by commas"
    )
    max_upload_bytes: int = Field(4 * 2**30, ge=1, description="the largest file that may be published")
    min_free_bytes: int = Field(256 * 2**20, ge=0, description="uploads stop when the disk has less room than this")
    cache_bytes: int = Field(256 * 2**20, ge=0, description="memory for rendered pages, per worker")
    header_seconds: int = Field(10, ge=1, description="how long a client may take to send its headers")
    body_seconds: int = Field(3600, ge=1, description="how long a client may take to send a whole body")
    drain_seconds: int = Field(20, ge=1, description="how long requests in flight may go on after SIGTERM")
    access_log: bool = Field(default=False, description="log a line for each request")

    @field_validator("default_index")
    @classmethod
    def _check_index(cls, value: str) -> str:
        try:
            return parse_index_name(value)
        except InvalidName as fault:
            raise ValueError(fault.sentence) from None

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value:
            TypeAdapter(AnyHttpUrl).validate_python(value)
        return value.rstrip("/")

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, value: str) -> str:
        stripped = value.strip("/")
        return f"/{stripped}" if stripped else ""

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text, strict=False)
        return value

    @property
    def database_url(self) -> str:
        """Return the catalog's URL, the default one spelled out."""
        return self.database or f"sqlite:///{self.data.absolute() / 'catalog.sqlite3'}"

    @property
    def index(self) -> IndexName:
        """Return the default index's name."""
        return IndexName(self.default_index)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the trusted proxies' networks."""
        return tuple(ip_network(text, strict=False) for text in self.trusted_proxies)

    @property
    def url(self) -> str:
        """Return the URL that clients use, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}{self.root_path}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:  # Any: values as the command line parsed them
    """Return the settings; flags that are None count as not given. Raises `ConfigurationFault`."""
    given = {name: value for name, value in (flags or {}).items() if value is not None and value != ()}
    try:
        return Settings(**given)
    except ValidationError as fault:
        raise ConfigurationFault(
            "settings", "; ".join(_sentence(error) for error in fault.errors()), "Correct the flag, variable or line."
        ) from None
    except ValueError as fault:
        raise ConfigurationFault("settings", f"{CONFIG_FILE} cannot be read: {fault}", "Correct the file.") from None


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes `load_settings()` give these settings in another process."""
    values = settings.model_dump(mode="json")
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()}
    texts["data"] = str(settings.data.absolute())
    return {f"{ENVIRONMENT_PREFIX}{name.upper()}": text for name, text in texts.items()}


def export_settings(settings: Settings) -> None:
    """Put the settings into this process's environment, for the workers that it starts."""
    os.environ.update(settings_environment(settings))


def _sentence(error: Mapping[str, Any]) -> str:  # Any: pydantic's error details
    name = ".".join(str(part) for part in error["loc"]) or "settings"
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')} (got {error['input']!r})"
