"""The names of things, parsed at the door.

Each `parse_` function turns text from outside into a type that the rest of the
program trusts; it raises `InvalidName` with the rule that was broken. Nothing in
`core` or `services` takes one of these as a plain `str`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NewType

from packaging.version import InvalidVersion, Version

from strongroom.core.errors import InvalidName

ProjectName = NewType("ProjectName", str)
"""A project's name, normalised as PEP 503 says: `my-pkg` for `My_Pkg`."""
IndexName = NewType("IndexName", str)
Filename = NewType("Filename", str)
"""A distribution's filename, exactly as it was published."""
Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""
UserName = NewType("UserName", str)
TokenId = NewType("TokenId", str)
ProjectPattern = NewType("ProjectPattern", str)
"""A glob over normalised project names: `acme-*`, `*`, `billing`."""

RESERVED_INDEX_NAMES = frozenset(
    {
        "_", ".well-known", "account", "admin", "api", "assets", "docs", "files", "healthz", "help",
        "integrity", "json", "legacy", "login", "logout", "metrics", "packages", "project", "pypi", "readyz",
        "search", "setup", "simple", "static",
    }
)  # fmt: skip
"""First path segments that mean something else (DESIGN section 6)."""

TOKEN_USER_NAMES = frozenset({"__token__", "pypi", "token"})
"""User names that say "the password is a token"; nobody may be called so."""

EVERY_PROJECT = ProjectPattern("*")

_PROJECT = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.ASCII | re.IGNORECASE)
_INDEX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_USER = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?", re.ASCII)
_TOKEN_ID = re.compile(r"[0-9A-Za-z]{16}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]*", re.ASCII)
_PATTERN = re.compile(r"[a-z0-9*?-]+", re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
DISTRIBUTION_ENDINGS = (".whl", ".tar.gz", ".zip")
_LONGEST_NAME = 128
LONGEST_FILENAME = 240
LONGEST_VERSION = LONGEST_FILENAME
"""It has to fit into a filename; and `int` raises at some thousand digits."""


def normalize_project_name(raw: str) -> str:
    """PEP 503: "all runs of the characters -, _ and . replaced with a single -", lower case."""
    return _SEPARATORS.sub("-", raw).lower()


def parse_project_name(raw: str) -> ProjectName:
    """Return the normalised name; raises `InvalidName`."""
    if len(raw) > _LONGEST_NAME or not _PROJECT.fullmatch(raw):
        raise InvalidName(
            "project-name",
            f"{_shown(raw)} is not a project name",
            "Use ASCII letters, digits, '.', '_' and '-', with a letter or digit at both ends.",
        )
    return ProjectName(normalize_project_name(raw))


def parse_index_name(raw: str) -> IndexName:
    """Return the index name; raises `InvalidName`, for reserved names too."""
    if not _INDEX.fullmatch(raw):
        raise InvalidName(
            "index-name",
            f"{_shown(raw)} is not an index name",
            "Use lower-case letters, digits and '-', 64 at most, with a letter or digit at both ends.",
        )
    if raw in RESERVED_INDEX_NAMES:
        raise InvalidName(
            "index-name-reserved",
            f"'{raw}' is a path of the server itself, so no index can be called that",
            "Choose another name, such as 'main' or 'staging'.",
        )
    return IndexName(raw)


def parse_filename(raw: str) -> Filename:
    """Return the filename of a wheel or sdist; raises `InvalidName`.

    Checks the alphabet and the ending only; what the name says about project and
    version is read by `distfile.parse_distribution_filename`.
    """
    if len(raw) > LONGEST_FILENAME or not _FILENAME.fullmatch(raw):
        raise InvalidName(
            "filename",
            f"{_shown(raw)} is not the filename of a distribution",
            "Use ASCII letters, digits and '.', '_', '-', '+', '!', with no path in front.",
        )
    if not raw.endswith(DISTRIBUTION_ENDINGS):
        raise InvalidName(
            "file-type",
            f"'{raw}' ends in none of .whl, .tar.gz and .zip",
            "Publish a wheel (.whl) or an sdist (.tar.gz, or .zip for old projects).",
        )
    return Filename(raw)


def is_sha256(text: str) -> bool:
    """Return whether it is a digest as it is stored: paths are made of such text."""
    return _SHA256.fullmatch(text) is not None


def parse_sha256(raw: str) -> Sha256:
    """Return the digest in lower case; raises `InvalidName`."""
    lowered = raw.lower()
    if not _SHA256.fullmatch(lowered):
        raise InvalidName("sha256", f"{_shown(raw)} is not a sha256 digest", "Give 64 hexadecimal digits.")
    return Sha256(lowered)


def parse_user_name(raw: str) -> UserName:
    """Return the user's name; raises `InvalidName`."""
    if not _USER.fullmatch(raw) or raw in TOKEN_USER_NAMES:
        raise InvalidName(
            "user-name",
            f"{_shown(raw)} is not a user name",
            "Use lower-case letters, digits and '.', '_', '@', '+', '-', 64 at most; "
            "'pypi' and 'token' are taken: clients send them with a token.",
        )
    return UserName(raw)


def parse_token_id(raw: str) -> TokenId:
    """Return the public part of a token; raises `InvalidName`."""
    if not _TOKEN_ID.fullmatch(raw):
        raise InvalidName(
            "token-id", f"{_shown(raw)} is not a token's id", "An id is 16 letters and digits; see `token list`."
        )
    return TokenId(raw)


def parse_project_pattern(raw: str) -> ProjectPattern:
    """Return a glob over normalised names; raises `InvalidName`."""
    normalized = normalize_project_name(raw)
    if len(normalized) > _LONGEST_NAME or not _PATTERN.fullmatch(normalized):
        raise InvalidName(
            "project-pattern",
            f"{_shown(raw)} is not a project name or pattern",
            "Write a name such as 'billing', or a pattern such as 'acme-*'.",
        )
    return ProjectPattern(normalized)


def parse_version(raw: str) -> Version:
    """Return the version (PEP 440); raises `InvalidName`."""
    if len(raw) <= LONGEST_VERSION:
        with suppress(InvalidVersion):
            return Version(raw)
    raise InvalidName(
        "version", f"{_shown(raw)} is not a version", "Write a PEP 440 version such as 1.2.0, 2.0rc1 or 1.0+corp.3."
    )


def _shown(raw: str) -> str:
    """Quote text from outside so that a message stays one printable line of bounded length."""
    short = raw if len(raw) <= 80 else f"{raw[:77]}..."
    return ascii(short)
