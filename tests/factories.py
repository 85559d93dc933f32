"""Values for tests, with the least that a test must say about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.access import ADMINISTRATOR_GRANTS, ANONYMOUS, Grant, Right, Scope, Signed, Token
from strongroom.core.caller import Caller, operator
from strongroom.core.exemptions import Decision, Exemption
from strongroom.core.mirrored import Copy, NameList, UpstreamFile, UpstreamPage
from strongroom.core.model import File, Index, PackageType, Project, User, Yank
from strongroom.core.names import (
    EVERY_PROJECT,
    ProjectName,
    ProjectPattern,
    Sha256,
    TokenId,
    parse_filename,
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_user_name,
)
from strongroom.core.promotions import PromotedRelease, Promotion, Stage
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.upstream import Delivery, Upstream
from tests.fakes import START
from tests.replacing import replace

MAIN = parse_index_name("main")
STAGING = parse_index_name("staging")
PUBLIC = parse_index_name("public")
DEMO = parse_project_name("demo")
OPERATOR = operator("root")
NOBODY = Caller(ANONYMOUS, address="198.51.100.7")
UPSTREAM_URL = "https://upstream.example/simple/"
LONG_AGO = START - timedelta(days=30)
"""When upstream files were uploaded and first seen: longer ago than any cooldown."""


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


def an_index(
    name: str = "main",
    *,
    anonymous_read: bool = False,
    accepts_uploads: bool = True,
    bases: Iterable[str] = (),
    upstream: Upstream | None = None,
) -> Index:
    """Make an index."""
    return Index(
        name=parse_index_name(name),
        created_at=START,
        accepts_uploads=accepts_uploads,
        anonymous_read=anonymous_read,
        bases=tuple(parse_index_name(base) for base in bases),
        upstream=upstream,
    )


def an_upstream(
    url: str = UPSTREAM_URL, *, credentials: bytes | None = None, delivery: Delivery = Delivery.CACHE
) -> Upstream:
    """Make the settings of an upstream; they are asked for every ten minutes."""
    return Upstream(url=url, credentials=credentials, delivery=delivery)


def a_mirror(
    name: str = "public", *, upstream: Upstream | None = None, rules: Rules = NO_RULES, anonymous_read: bool = False
) -> Index:
    """Make an index that takes no uploads and has an upstream."""
    made = an_index(name, anonymous_read=anonymous_read, accepts_uploads=False, upstream=upstream or an_upstream())
    return replace(made, rules=rules)


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
    project, version, package_type = read_filename(filename)
    return File(
        index=parse_index_name(index),
        project=project,
        filename=parse_filename(filename),
        version=version,
        package_type=package_type,
        python_tag=_python_tag(package_type),
        sha256=sha256_of(filename),
        size_bytes=len(filename),
        uploaded_at=START,
        uploaded_by="user:bob",
        serial=serial,
        yank=yank,
    )


def an_upstream_file(
    filename: str = "demo-1.0-py3-none-any.whl",
    *,
    index: str = "public",
    sha256: Sha256 | None = None,
    uploaded_at: datetime | None = LONG_AGO,
    url: str | None = None,
) -> UpstreamFile:
    """Make a file of an upstream, old enough for every cooldown; project and version are read from its name."""
    project, version, package_type = read_filename(filename)
    return UpstreamFile(
        index=parse_index_name(index),
        project=project,
        filename=parse_filename(filename),
        version=version,
        package_type=package_type,
        python_tag=_python_tag(package_type),
        url=url or f"https://files.upstream.example/{filename}",
        sha256=sha256 or sha256_of(filename),
        first_seen_at=LONG_AGO,
        size_bytes=len(filename),
        uploaded_at=uploaded_at,
    )


def an_upstream_page(
    project: str = "demo", *files: UpstreamFile, index: str = "public", fetched_at: datetime = START
) -> UpstreamPage:
    """Make the page of a project; without files it has none, and still is not missing."""
    return UpstreamPage(
        index=parse_index_name(index), project=parse_project_name(project), fetched_at=fetched_at, files=files
    )


def a_missing_page(project: str = "demo", *, index: str = "public", fetched_at: datetime = START) -> UpstreamPage:
    """Make what is kept of a name that the upstream does not have."""
    return replace(an_upstream_page(project, index=index, fetched_at=fetched_at), is_missing=True)


def a_copy(
    filename: str = "demo-1.0-py3-none-any.whl",
    *,
    index: str = "public",
    sha256: Sha256 | None = None,
    is_stored: bool = True,
    last_used_at: datetime | None = None,
) -> Copy:
    """Make what is kept of an upstream's file; unless it is stored, that is only what is known of it."""
    return Copy(
        index=parse_index_name(index),
        project=read_filename(filename)[0],
        filename=parse_filename(filename),
        sha256=sha256 or sha256_of(filename),
        size_bytes=len(filename) if is_stored else 0,
        stored_at=START if is_stored else None,
        last_used_at=last_used_at,
    )


def a_name_list(*, index: str = "public", sha256: Sha256 | None = None, fetched_at: datetime = START) -> NameList:
    """Make the list of an upstream's names, of which there is one."""
    return NameList(index=parse_index_name(index), sha256=sha256 or sha256_of("demo\n"), count=1, fetched_at=fetched_at)


def a_reservation(
    pattern: str = "demo", *, index: str = "main", hold: Hold = Hold.RESERVED, reason: str = ""
) -> Reservation:
    """Make an index's hold on a name or a prefix."""
    return Reservation(
        index=parse_index_name(index),
        pattern=parse_project_pattern(pattern),
        hold=hold,
        created_at=START,
        created_by="user:ada",
        reason=reason,
    )


def an_exemption(
    exemption_id: str = "e1",
    *,
    project: str = "demo",
    versions: str = "",
    code: str = "",
    decision: Decision = Decision.APPROVED,
) -> Exemption:
    """Make an exemption from the rules of `public` that lasts 30 days."""
    is_decided = decision is not Decision.PENDING
    return Exemption(
        exemption_id=exemption_id,
        index=PUBLIC,
        project=parse_project_name(project),
        versions=SpecifierSet(versions),
        code=code,
        reason="we need it",
        requested_by="user:bob",
        requested_at=START,
        expires_at=START + timedelta(days=30),
        decision=decision,
        decided_by="user:ada" if is_decided else "",
        decided_at=START if is_decided else None,
    )


def a_promotion(
    promotion_id: str = "p1",
    *filenames: str,
    source: str = "staging",
    target: str = "main",
    stage: Stage = Stage.PENDING,
) -> Promotion:
    """Make a promotion of these files, each the release that its name says; without any, of one wheel."""
    found = [(parse_filename(name), *read_filename(name)) for name in filenames or ("demo-1.0-py3-none-any.whl",)]
    releases = dict.fromkeys((project, str(version)) for _, project, version, _ in found)
    return Promotion(
        promotion_id=promotion_id,
        source=parse_index_name(source),
        target=parse_index_name(target),
        releases=tuple(
            PromotedRelease(
                project, version, tuple(name for name, *it in found if (it[0], str(it[1])) == (project, version))
            )
            for project, version in releases
        ),
        stage=stage,
        requested_by="user:bob",
        requested_at=START,
    )


def read_filename(filename: str) -> tuple[ProjectName, Version, PackageType]:
    """Return what the name of a wheel or an sdist says."""
    is_wheel = filename.endswith(".whl")
    stem = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip")
    parts = stem.split("-") if is_wheel else stem.rsplit("-", 1)
    return parse_project_name(parts[0]), Version(parts[1]), PackageType.WHEEL if is_wheel else PackageType.SDIST


def _python_tag(package_type: PackageType) -> str:
    return "py3" if package_type is PackageType.WHEEL else "source"
