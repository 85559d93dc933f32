"""`strongroom token`: tokens. A new token is printed alone on standard output."""

from __future__ import annotations

from datetime import timedelta

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.output import print_done, print_json, print_list, remark
from strongroom.cli.parameters import DURATION, INDEX, LIFETIME, NETWORK, PATTERN, RIGHT, TOKEN_ID, USER
from strongroom.cli.store import run
from strongroom.core.access import Network, Right, describe_grant
from strongroom.core.names import IndexName, ProjectPattern, TokenId, UserName
from strongroom.services.tokens import IssuedToken


@click.group(cls=Group)
def group() -> None:
    """Make, list, revoke and rotate tokens."""


@group.command()
@click.option("--user", "owner", type=USER, required=True, help="Whose token it is.")
@click.option("--label", default="", help="What it is for.")
@click.option("--index", "indexes", type=INDEX, multiple=True, help="Only on this index (wherever its owner may).")
@click.option("--project", "projects", type=PATTERN, multiple=True, help="Only for these projects, as a glob.")
@click.option("--right", "rights", type=RIGHT, multiple=True, help="What it may do (read and upload).")
@click.option("--expires", type=LIFETIME, default="90d", help="When it ends: 30m, 12h, 90d, 1y, never (90d).")
@click.option("--network", "networks", type=NETWORK, multiple=True, help="Only from this network, as a CIDR.")
def create(
    owner: UserName,
    *,
    label: str,
    indexes: tuple[IndexName, ...],
    projects: tuple[ProjectPattern, ...],
    rights: tuple[str, ...],
    expires: timedelta | None,
    networks: tuple[Network, ...],
) -> None:
    """Make a token and print it, this once, alone on standard output."""
    from strongroom.core.delegation import TokenRequest

    wanted = TokenRequest(
        owner=owner,
        label=label,
        rights=frozenset(Right(right) for right in rights) or None,
        indexes=frozenset(indexes),
        projects=projects,
        networks=networks,
        lifetime=expires,
    )
    _print_issued(run(lambda services, caller: services.tokens.issue(caller, wanted)))


@group.command(name="list")
@click.option("--user", "owner", type=USER, help="Only the tokens of this user.")
def list_tokens(owner: UserName | None) -> None:
    """List tokens, the newest first; never their secrets."""
    from strongroom.cli.views import view_token

    tokens = run(lambda services, caller: services.tokens.list(caller, owner))
    columns = ("id", "owner", "label", "rights", "indexes", "projects", "expires", "revoked", "last_used")
    print_list([view_token(token) for token in tokens], columns, empty="There are no tokens.")


@group.command()
@click.argument("token_id", metavar="ID", type=TOKEN_ID)
def revoke(token_id: TokenId) -> None:
    """End a token at once, and all that it made."""
    from strongroom.cli.views import view_token

    token = run(lambda services, caller: services.tokens.revoke(caller, token_id))
    print_done(view_token(token), f"The token {token_id} of '{token.owner}' is revoked.")


@group.command()
@click.argument("token_id", metavar="ID", type=TOKEN_ID)
@click.option("--overlap", type=DURATION, default="0", help="How long the old one stays good: 1h, 2d (0).")
def rotate(token_id: TokenId, *, overlap: timedelta) -> None:
    """Replace a token by a new one with the same scope, and print it alone on standard output."""
    _print_issued(run(lambda services, caller: services.tokens.rotate(caller, token_id, overlap=overlap)))


def _print_issued(issued: IssuedToken) -> None:
    from strongroom.cli.views import view_token

    token = issued.token
    if wants_json():
        print_json({"token": issued.text.render(), **view_token(token)})
        return
    scope = "; ".join(describe_grant(grant) for grant in token.scope.grants())
    ends = "never expires" if token.expires_at is None else f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC"
    remark(f"Token {token.token_id} of '{token.owner}': {scope}; {ends}. It is shown this once:")
    click.echo(issued.text.render())
