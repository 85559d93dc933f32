"""Values for tests, with the least that a test must say about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from packaging.version import Version

from strongroom.core.access import ADMINISTRATOR_GRANTS, ANONYMOUS, Grant, Right, Scope, Signed, Token
from strongroom.core.caller import Caller, operator
from strongroom.core.model import File, Index, PackageType, Project, User, Yank
from strongroom.core.names import (
    EVERY_PROJECT,
    ProjectPattern,
    Sha256,
    TokenId,
    parse_filename,
    parse_index_name,
    parse_project_name,
    parse_user_name,
)
from tests.fakes import START

MAIN = parse_index_name("main")
STAGING = parse_index_name("staging")
DEMO = parse_project_name("demo")
OPERATOR = operator("root")
NOBODY = Caller(ANONYMOUS, address="198.51.100.7")


def sha256_of(text: str) -> Sha256:
    """Return the digest of the text."""
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def a_user(name: str = "bob", *, admin: bool = False, disabled: bool = False, password: str | None = None) -> User:
    """Make a user; a password is stored as `FakePasswords` hashes it."""
    return User(
        name=parse_user_name(name),
        created_at=START,
        is_administrator=admin,
        is_disabled=disabled,
        password_hash=None if password is None else f"fake:{password}",
    )


def a_grant(*rights: Right, index: str | None = None, projects: str = EVERY_PROJECT) -> Grant:
    """Make a grant of these rights."""
    name = None if index is None else parse_index_name(index)
    return Grant(rights=frozenset(rights), index=name, projects=ProjectPattern(projects))


def a_scope(*rights: Right, indexes: Iterable[str] = (), projects: Iterable[str] = ()) -> Scope:
    """Make a token's scope of these rights."""
    return Scope(
        rights=frozenset(rights),
        indexes=frozenset(parse_index_name(name) for name in indexes),
        projects=tuple(ProjectPattern(pattern) for pattern in projects),
    )


def a_token(token_id: str = "A" * 16, *, owner: str = "bob", scope: Scope | None = None) -> Token:
    """Make a token's row that is good for 90 days."""
    return Token(
        token_id=TokenId(token_id),
        owner=parse_user_name(owner),
        label="",
        digest=bytes(32),
        scope=scope or Scope(),
        created_at=START,
        expires_at=START + timedelta(days=90),
    )


def a_caller(name: str = "bob", *grants: Grant) -> Caller:
    """Make a caller who signed in with his password and holds these grants."""
    return Caller(Signed(user=parse_user_name(name), grants=grants), address="192.0.2.1", client="test")


def an_administrator(name: str = "ada") -> Caller:
    """Make a caller who may do everything, signed in with a password."""
    return a_caller(name, *ADMINISTRATOR_GRANTS)


def a_token_caller(token: Token, *grants: Grant) -> Caller:
    """Make a caller who came with the token, and whose owner holds these grants."""
    principal = Signed(
        user=token.owner,
        grants=grants,
        token_id=token.token_id,
        scope=token.scope.grants(),
        until=token.expires_at,
        networks=token.networks,
    )
    return Caller(principal, address="192.0.2.1", client="test")


def an_index(name: str = "main", *, anonymous_read: bool = False, accepts_uploads: bool = True) -> Index:
    """Make an index."""
    return Index(
        name=parse_index_name(name),
        created_at=START,
        accepts_uploads=accepts_uploads,
        anonymous_read=anonymous_read,
    )


def a_project(name: str = "demo", *, index: str = "main", serial: int = 1) -> Project:
    """Make a project."""
    return Project(
        index=parse_index_name(index),
        name=parse_project_name(name),
        display_name=name,
        created_at=START,
        serial=serial,
    )


def a_file(
    filename: str = "demo-1.0-py3-none-any.whl", *, index: str = "main", serial: int = 1, yank: Yank | None = None
) -> File:
    """Make a wheel or an sdist; project and version are read from its name."""
    is_wheel = filename.endswith(".whl")
    stem = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip")
    parts = stem.split("-") if is_wheel else stem.rsplit("-", 1)
    return File(
        index=parse_index_name(index),
        project=parse_project_name(parts[0]),
        filename=parse_filename(filename),
        version=Version(parts[1]),
        package_type=PackageType.WHEEL if is_wheel else PackageType.SDIST,
        python_tag="py3" if is_wheel else "source",
        sha256=sha256_of(filename),
        size_bytes=len(filename),
        uploaded_at=START,
        uploaded_by="user:bob",
        serial=serial,
        yank=yank,
    )
