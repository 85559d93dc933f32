"""The address of an upstream as a person types it."""

from __future__ import annotations

import pytest

from strongroom.core.errors import InvalidRequest
from strongroom.core.upstream_url import check_upstream_url


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("https://upstream.example/simple/", "https://upstream.example/simple/"),
        ("https://upstream.example/simple", "https://upstream.example/simple/"),
        ("http://upstream.example", "http://upstream.example/"),
        ("https://UPSTREAM.example/Simple", "https://upstream.example/Simple/"),
        ("https://upstream.example:443/simple/", "https://upstream.example/simple/"),
        ("http://upstream.example:80/simple/", "http://upstream.example/simple/"),
        ("https://upstream.example:8443/root/+simple/", "https://upstream.example:8443/root/+simple/"),
        ("http://[2001:db8::1]:8080/simple/", "http://[2001:db8::1]:8080/simple/"),
        ("http://10.1.2.3/simple/", "http://10.1.2.3/simple/"),
        ("http://mirror/simple/", "http://mirror/simple/"),
    ],
)
def test_an_address_gets_its_one_form(raw: str, url: str) -> None:
    """A slash at its end, the host in lower case, no usual port; and nothing but that changes."""
    checked = check_upstream_url(raw)
    assert (checked.url, checked.userinfo) == (url, "")


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("user:secret", "user:secret"),
        ("user:p%40ss%3Aword", "user:p@ss:word"),
        ("user", "user:"),
        ("__token__:pypi-abc", "__token__:pypi-abc"),
    ],
)
def test_credentials_are_split_off(userinfo: str, credentials: str) -> None:
    """They are in neither the URL nor in what is shown of the value."""
    checked = check_upstream_url(f"https://{userinfo}@upstream.example/simple/")
    assert checked.url == "https://upstream.example/simple/"
    assert checked.userinfo == credentials
    assert "upstream.example" in repr(checked)
    assert userinfo not in repr(checked)


@pytest.mark.parametrize(
    "raw",
    [
        "", "upstream.example/simple/", "//upstream.example/simple/", "file:///etc/passwd", "ftp://upstream.example/",
        "gopher://upstream.example/", "javascript:alert(1)", "data:text/html,x", "https://", "https:///simple/",
        "https://user:secret@/simple/", "https://upstream.example/simple/?a=b", "https://upstream.example/simple/#x",
        "https://upstream.example/simple/?", "https://upstream.example/simple/#", "https://upstream.example:0/",
        "https://upstream.example:99999/", "https://upstream.example:abc/", "https://[::1/simple/",
        "https://upstream .example/", "https://upstream.example/a b/", "https://upstream.example/\n", "https://h\x00/",
        "https://h\r\nX: y/", "https://exämple.example/", "https://upstream.example\\@other.example/",
        "https://-upstream.example/", "https://.example/", "https://h%2f/", "https://[::1%25eth0]/",
        "https://upstream.example/a/../b/", "https://upstream.example/%2e%2e/", "https://upstream.example/./",
        "https://upstream.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_cannot_be_an_upstream_is_refused(raw: str) -> None:
    """The message says why, the hint shows an address; neither repeats what was typed."""
    with pytest.raises(InvalidRequest) as caught:
        check_upstream_url(raw)
    assert caught.value.code == "upstream-url"
    assert "https://" in caught.value.hint
    assert "secret" not in caught.value.sentence
