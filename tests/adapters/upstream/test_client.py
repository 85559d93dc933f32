"""What the network client sends and keeps to itself, and when it tries again."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from strongroom.adapters.upstream import client as client_module
from strongroom.adapters.upstream.client import AiohttpClient
from strongroom.adapters.upstream.hops import credentials_for, parse_url, redirected
from strongroom.adapters.upstream.site import JSON_TYPE
from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.names import ProjectName
from strongroom.ports import Missing, Origin, PageBody, Unchanged
from tests.replacing import replace
from tests.upstream.listener import Answerer, Listener, Reply, Request

DEMO = ProjectName("demo")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PAGE = Reply(headers={"Content-Type": JSON_TYPE, "ETag": '"1"'}, body=b'{"files": []}')


def run(
    ask: Callable[[AiohttpClient, Origin], Awaitable[object]], server: Listener, *, origin: Origin | None = None
) -> object:
    """Return what the question to the server gives."""

    async def main() -> object:
        client = AiohttpClient(networks=LOOPBACK, seconds=5)
        try:
            return await ask(client, origin or Origin(f"{server.root}simple/"))
        finally:
            await client.close()
            await client.close()

    return asyncio.run(main())


def get_page(client: AiohttpClient, origin: Origin) -> Awaitable[object]:
    """Ask for a page."""
    return client.get_page(origin, DEMO, etag=None)


def fault_of(answer: Answerer) -> tuple[UpstreamFault, int]:
    """Return the fault that a page becomes, and how many requests it took."""
    with Listener(answer) as server:
        with pytest.raises(UpstreamFault) as caught:
            run(get_page, server)
        return caught.value, len(server.requests)


def test_json_is_preferred_and_html_taken() -> None:
    """The headers of a page's request: forms by preference, gzip, no more than needed."""
    with Listener(lambda request: PAGE) as server:
        run(lambda client, origin: client.get_page(origin, DEMO, etag='"0"'), server)
    (request,) = server.requests
    assert request.path == "/simple/demo/"
    assert request.headers["accept"].startswith(f"{JSON_TYPE}, ")
    assert "text/html;q=0.1" in request.headers["accept"]
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["if-none-match"] == '"0"'
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


def test_files_are_asked_for_unpacked() -> None:
    """An archive is never decoded on the way, so it is asked for as it is."""
    with Listener(lambda request: Reply(body=b"x")) as server:
        run(lambda client, origin: client.get_small(origin, f"{server.root}x", limit_bytes=5), server)
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_an_archive_that_is_called_gzip_is_taken_as_it_is() -> None:
    """Some servers say that a .tar.gz is a packed tar: its bytes are the archive's."""
    packed = gzip.compress(b"tar")
    answer = Reply(headers={"Content-Encoding": "x-gzip"}, body=packed)
    with Listener(lambda request: answer) as server:
        url = f"{server.root}demo-1.0.tar.gz"
        assert run(lambda client, origin: client.get_small(origin, url, limit_bytes=500), server) == packed


def test_connections_are_used_again() -> None:
    """Ten pages, found or not, and ten files, one after another: one connection each kind."""

    async def ask(client: AiohttpClient, origin: Origin) -> None:
        for number in range(10):
            await client.get_page(origin, DEMO, etag=None)
            await client.get_page(origin, ProjectName(f"absent-{number}"), etag=None)
        for _ in range(10):
            async with client.open_file(origin, f"{origin.url}x") as body:
                assert not isinstance(body, Missing)
                assert b"".join([chunk async for chunk in body.chunks()]) == b"file"

    def answer(request: Request) -> Reply:
        if "absent" in request.path:
            return Reply(status=404, body=b"<html>not here</html>")
        return PAGE if request.path.endswith("/") else Reply(body=b"file")

    with Listener(answer) as server:
        run(ask, server)
        assert (server.connections, len(server.requests)) == (2, 30)


@pytest.mark.parametrize("first", [Reply(status=503), Reply(raw=b"")], ids=["503", "closed"])
def test_a_stumble_is_forgiven_once(first: Reply) -> None:
    """A 503 or a lost connection, then the page: the page."""
    with Listener(lambda request: first if len(server.requests) == 1 else PAGE) as server:
        assert isinstance(run(get_page, server), PageBody)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "requests", "code"),
    [
        (503, 2, "upstream-status"),
        (500, 1, "upstream-status"),
        (429, 1, "upstream-status"),
        (304, 1, "upstream-status"),
        (206, 1, "upstream-status"),
        (401, 1, "upstream-credentials"),
        (403, 1, "upstream-credentials"),
    ],
)
def test_other_statuses_are_faults(status: int, requests: int, code: str) -> None:
    """Each names host and status; only a 503 is tried a second time, at once and never a third."""
    answer = Reply(status=status, headers={"Retry-After": "3600"})
    fault, made = fault_of(lambda request: answer)
    assert (fault.code, made) == (code, requests)
    assert "127.0.0.1" in fault.message
    assert str(status) in fault.message
    assert fault.hint


def test_a_304_counts_when_it_was_asked_for() -> None:
    """With an ETag of ours it means that nothing changed."""
    with Listener(lambda request: Reply(status=304)) as server:
        assert run(lambda client, origin: client.get_page(origin, DEMO, etag='"1"'), server) == Unchanged()


def _seen(answer: Answerer, url: str = "") -> list[Request]:
    """Return what a server sees of a file's request by someone with credentials."""
    with Listener(answer) as server:
        origin = Origin(f"{server.root}simple/", "mirror", "pässword")
        target = url.replace("{port}", str(server.port)) or f"{server.root}file"
        run(lambda client, asked: client.get_small(asked, target, limit_bytes=10), server, origin=origin)
        return server.requests


def test_credentials_go_to_the_origin() -> None:
    """Basic, UTF-8 (RFC 7617), on pages and files of the same scheme, host and port."""
    (request,) = _seen(lambda request: Reply(body=b"x"))
    assert request.headers["authorization"] == "Basic bWlycm9yOnDDpHNzd29yZA=="


def test_credentials_go_nowhere_else() -> None:
    """Not to another host that a page links to, nor where a redirect leads, and back they come."""
    (linked,) = _seen(lambda request: Reply(body=b"x"), "http://localhost:{port}/file")
    assert "authorization" not in linked.headers

    def to_another(request: Request) -> Reply:
        if request.headers["host"].startswith("127."):
            return Reply(status=302, headers={"Location": f"http://localhost:{request.headers['host'][10:]}/x"})
        return Reply(body=b"x")

    first, second = _seen(to_another)
    assert "authorization" in first.headers
    assert "authorization" not in second.headers


def test_credentials_in_links_are_not_used() -> None:
    """What a page writes before an @ is no Authorization of ours."""
    (request,) = _seen(lambda request: Reply(body=b"x"), "http://eve:secret@localhost:{port}/file")
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("https://upstream.example/other/x", True),
        ("https://UPSTREAM.example:443/x", True),
        ("http://upstream.example/x", False),
        ("https://upstream.example:8443/x", False),
        ("https://files.upstream.example/x", False),
        ("https://upstream.example.evil.example/x", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, *, is_own: bool) -> None:
    """RFC 6454: nothing less is the same origin."""
    origin = Origin("https://upstream.example/simple/", "u", None)
    assert bool(credentials_for(origin, parse_url(url, host=""))) == is_own


def test_https_is_never_left() -> None:
    """A redirect to http is refused; one from http to https is followed."""
    with pytest.raises(UpstreamFault) as caught:
        redirected(URL("https://upstream.example/x"), "http://upstream.example/x")
    assert caught.value.code == "upstream-downgrade"
    assert str(redirected(URL("http://a.example/x"), "https://b.example/y?s=%2Bx")) == "https://b.example/y?s=%2Bx"


def test_neither_cookies_nor_netrc_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An upstream cannot mark us, and the machine's passwords stay on the machine."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async def ask(client: AiohttpClient, origin: Origin) -> None:
        for _ in range(2):
            await client.get_page(origin, DEMO, etag=None)

    with Listener(lambda request: replace(PAGE, headers={**PAGE.headers, "Set-Cookie": "a=b; Path=/"})) as server:
        run(ask, server)
    assert all({"cookie", "authorization"}.isdisjoint(request.headers) for request in server.requests)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It resolves names and connects; addresses that are written out are still judged here."""
    with Listener(lambda request: PAGE) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        assert isinstance(run(get_page, proxy, origin=Origin("http://upstream.invalid/simple/")), PageBody)
        assert proxy.requests[0].path == "http://upstream.invalid/simple/demo/"
        with pytest.raises(UpstreamFault) as caught:
            run(get_page, proxy, origin=Origin("http://169.254.169.254/"))
        assert caught.value.code == "address-refused"
        with pytest.raises(UpstreamFault) as caught:
            run(get_page, proxy, origin=Origin("http://direct.invalid/"))
        assert "cannot be resolved" in caught.value.message
        assert len(proxy.requests) == 1


def test_a_proxy_that_is_down_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody looks for the fault at the upstream."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Listener(lambda request: PAGE) as server, pytest.raises(UpstreamFault, match="the proxy in between"):
        run(get_page, server, origin=Origin("http://upstream.invalid/simple/"))


def _self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    lasting = builder.not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    certificate = lasting.sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (directory / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (directory / "certificate").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate", directory / "key")
    return context


def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    """The hint names the variable that adds an authority; nothing was asked."""
    with Listener(lambda request: PAGE, tls=_self_signed(tmp_path)) as server:
        with pytest.raises(UpstreamFault) as caught:
            run(get_page, server, origin=Origin(server.root.replace("http:", "https:")))
        assert (caught.value.code, server.requests) == ("upstream-certificate", [])
        assert "SSL_CERT_FILE" in caught.value.hint


def test_a_page_must_be_whole_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """However steadily it comes: a client waits for it."""
    monkeypatch.setattr(client_module, "WHOLE_PAGE_SECONDS", 0.5)
    answer = replace(PAGE, body=b" " * 20_000, bytes_a_second=4_000)
    with Listener(lambda request: answer) as server, pytest.raises(UpstreamTimeout, match="did not send all"):
        run(get_page, server)


def test_a_page_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed or not."""
    monkeypatch.setattr(client_module, "PAGE_LIMIT_BYTES", 1_000)
    packed = Reply(headers={"Content-Type": JSON_TYPE, "Content-Encoding": "gzip"}, body=gzip.compress(b" " * 1_001))
    for answer in (replace(PAGE, body=b" " * 1_001), packed):
        fault, _ = fault_of(lambda request, answer=answer: answer)  # type: ignore[misc]  # mypy: lambdas have no types
        assert fault.code == "upstream-too-large"


def test_a_packed_list_is_unpacked() -> None:
    """Its length is not known then."""

    async def ask(client: AiohttpClient, origin: Origin) -> None:
        async with client.open_list(origin, etag=None) as body:
            assert not isinstance(body, Missing | Unchanged)
            assert (body.size_bytes, body.content_type, body.url) == (None, JSON_TYPE, origin.url)
            assert b"".join([chunk async for chunk in body.chunks()]) == b"list"

    packed = Reply(headers={"Content-Type": JSON_TYPE, "Content-Encoding": "gzip"}, body=gzip.compress(b"list"))
    with Listener(lambda request: packed) as server:
        run(ask, server)


def test_the_consumers_own_error_is_not_the_upstreams() -> None:
    """A full disk while a file is received stays a full disk."""

    async def ask(client: AiohttpClient, origin: Origin) -> None:
        async with client.open_file(origin, f"{origin.url}x"):
            raise OSError(28, "No space left on device")

    with Listener(lambda request: Reply(body=b"x" * 10_000_000)) as server, pytest.raises(OSError, match="No space"):
        run(ask, server)


def test_a_part_with_another_status_is_a_fault() -> None:
    """Neither a part nor the word that there are none."""
    with Listener(lambda request: Reply(status=500)) as server, pytest.raises(UpstreamFault, match="answered 500"):
        run(lambda client, origin: client.get_part(origin, f"{server.root}x", start=0, length=1), server)


def _part(content_range: str, body: bytes) -> Answerer:
    return lambda request: Reply(status=206, headers={"Content-Range": content_range}, body=body)


@pytest.mark.parametrize(
    ("content_range", "body"),
    [
        ("", b"0123456789"),
        ("bytes 0-9/*", b"0123456789"),
        ("bytes 0-9", b"0123456789"),
        ("items 0-9/100", b"0123456789"),
        ("bytes 1-10/100", b"0123456789"),
        ("bytes 0-8/100", b"012345678"),
        ("bytes 0-9/100", b"012345678"),
        ("bytes 9-0/100", b""),
        ("bytes 0-10/100", b"0123456789x"),
        ("bytes 0-9/5", b"0123456789"),
        ("bytes -1-9/100", b"0123456789"),
        (f"bytes 0-9/{10**30}", b"0123456789"),
    ],
)
def test_another_part_than_the_one_asked_for_is_a_fault(content_range: str, body: bytes) -> None:
    """Bytes of another place would be read as the wheel's own directory."""
    with Listener(_part(content_range, body)) as server, pytest.raises(UpstreamFault) as caught:
        run(lambda client, origin: client.get_part(origin, f"{server.root}x", start=0, length=10), server)
    assert caught.value.code in ("upstream-malformed", "upstream-too-large")


def test_a_steady_trickle_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 1 KiB a second a file ends, though something comes all the time; above it goes on."""
    monkeypatch.setattr(client_module, "WINDOWS", 0.1)

    async def ask(client: AiohttpClient, origin: Origin) -> int:
        async with client.open_file(origin, f"{origin.url}x") as body:
            assert not isinstance(body, Missing)
            return len(b"".join([chunk async for chunk in body.chunks()]))

    rate = 500.0
    with Listener(lambda request: Reply(body=b"x" * 6_000, bytes_a_second=rate)) as server:
        with pytest.raises(UpstreamTimeout, match="less than 1 KiB a second"):
            run(ask, server)
        rate = 5_000.0
        assert run(ask, server) == 6_000
