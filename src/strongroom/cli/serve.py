"""`strongroom serve`: start the index, with no configuration needed.

Refuses in plain words what cannot work before anything listens. The workers read
the settings from the environment that this process leaves them.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import sys
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli.apart import run_apart
from strongroom.cli.command import Command
from strongroom.core.errors import ConfigurationFault

if TYPE_CHECKING:  # takes long to import, and `--help` does not need it
    from strongroom.config import Settings


@click.command(name="serve", cls=Command)
@click.option("--database", help="The catalog's URL; SQLite in the data directory by default.")
@click.option("--blobs", help="The bucket that keeps the files, such as s3://bucket/prefix; a directory by default.")
@click.option("--key-file", help="The file with the server's key, the same on all nodes.")
@click.option("--host", help="The address to listen on (127.0.0.1).")
@click.option("--port", type=int, help="The port to listen on (8000).")
@click.option("--workers", type=int, help="How many worker processes (1).")
@click.option("--public-url", help="The URL that clients use, when a proxy stands in front.")
@click.option("--root-path", help="The path prefix that a proxy puts in front.")
@click.option("--trusted-proxies", help="Networks whose X-Forwarded-For is believed, separated by commas.")
@click.option("--jobs/--no-jobs", default=None, help="Do the regular jobs, or leave them to `strongroom worker`.")
@click.option("--tls-certificate", help="The PEM file of the certificate chain, to serve TLS.")
@click.option("--tls-key", help="The PEM file of the certificate's private key.")
@click.option(
    "--tls-self-signed/--no-tls-self-signed", default=None, help="Serve TLS with a certificate made here, for trials."
)
@click.option("--access-log/--no-access-log", default=None, help="Log a line for each request.")
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:  # Any: values as click parsed them
    """Run the index. Every flag has its variable: STRONGROOM_PORT for --port."""
    gc.disable()  # nothing that the start makes is garbage; collecting costs a sixth of it
    from strongroom.config import export_settings, load_settings

    settings = load_settings({**(context.obj or {}), **flags})
    _check_port(settings.host, settings.port)

    from strongroom.bootstrap import open_tls, run_server

    tls = open_tls(settings)
    export_settings(settings)
    setup_secret = run_apart(lambda: _prepare(settings)) if settings.blobs else _prepare(settings)
    click.echo(banner(settings.url, data=str(settings.directory), setup_secret=setup_secret), err=True)
    if tls is not None and settings.tls_self_signed:
        from strongroom.adapters.certificates import read_certificate

        click.echo(trust_hint(str(tls.certificate), read_certificate(tls).fingerprint), err=True)
    sys.stderr.flush()
    gc.freeze()  # the workers are forks: what they never touch they share
    gc.enable()
    run_server(settings, tls)


def banner(url: str, *, data: str, setup_secret: str | None) -> str:
    """Return what a first look at the terminal should tell; `url` has no slash at its end."""
    scheme, _, rest = url.partition("://")
    lines = [
        "",
        f"  Strongroom serves {url}/",
        f"  data directory: {data}",
        "",
    ]
    if setup_secret is not None:
        lines += [
            "  Make the first administrator (once, within 30 minutes):",
            f"    {url}/setup?key={setup_secret}",
            f"    curl -d user=admin '{url}/setup?key={setup_secret}'",
            "",
        ]
    lines += [
        "  Then, with a token in TOKEN:",
        f"    uv pip install --index-url {scheme}://__token__:$TOKEN@{rest}/simple/ NAME",
        f"    pip install --index-url {scheme}://__token__:$TOKEN@{rest}/simple/ NAME",
        f"    twine upload --repository-url {url}/legacy/ -u __token__ -p $TOKEN dist/*",
        f"    uv publish --publish-url {url}/legacy/ --token $TOKEN dist/*",
        "",
    ]
    return "\n".join(lines)


def trust_hint(certificate: str, fingerprint: str) -> str:
    """Return how clients come to trust a certificate that no authority has signed."""
    lines = [
        "  The certificate is self-signed, for trials: clients must be told to trust it.",
        f"    {certificate}",
        f"    SHA-256 {fingerprint}",
        f"    export SSL_CERT_FILE={certificate}       # uv, curl",
        f"    export REQUESTS_CA_BUNDLE={certificate}  # pip, twine",
        "",
    ]
    return "\n".join(lines)


def _prepare(settings: Settings) -> str | None:
    from strongroom.bootstrap import prepare

    return asyncio.run(prepare(settings))


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise _port_fault(fault, host=host, port=port) from None


def _port_fault(fault: OSError, *, host: str, port: int) -> ConfigurationFault:
    if fault.errno == errno.EADDRINUSE:
        return ConfigurationFault(
            "port-in-use",
            f"Something else already listens on {host}:{port}",
            "Stop it, or choose another port with --port.",
        )
    return ConfigurationFault("cannot-listen", f"Cannot listen on {host}:{port}: {fault.strerror}", "Check --host.")
