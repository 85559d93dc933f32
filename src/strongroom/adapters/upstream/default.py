"""Which upstream a first run mirrors: the public index that pip on this machine uses.

pip's own constant, unless pip's configuration names another public index. An address of
this machine or of a private network is passed over: an upstream is asked by a server, and
such an address is often the server's own. The address itself stands nowhere in this program.
"""

from __future__ import annotations

from ipaddress import ip_address

from strongroom.adapters.upstream.guard import AddressGuard
from strongroom.core.errors import InvalidRequest, UpstreamFault
from strongroom.core.upstream_url import check_upstream_url

_SECTIONS = (":env:", "install", "global")
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".intranet", ".corp", ".home", ".home.arpa", ".test")


def default_upstream_url() -> str | None:
    """Return the simple API's URL, with a slash at its end; None where pip cannot say it."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return None
    for url in (*_configured(), PyPI.simple_url):
        found = find_public(url)
        if found is not None:
            return found
    return None


def find_public(url: str) -> str | None:
    """Return the URL in its one form if its host may be public and it has no credentials, else None."""
    try:
        checked = check_upstream_url(url.strip())
    except InvalidRequest:
        return None
    host = checked.url.split("/")[2]
    name = (host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]).rstrip(".")
    return checked.url if not checked.userinfo and _may_be_public(name) else None


def _may_be_public(name: str) -> bool:
    try:
        AddressGuard().check_host(name)
    except UpstreamFault:
        return False
    if _is_address(name):
        return True
    return "." in name and not name.endswith(_LOCAL_ENDINGS)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _configured() -> list[str]:
    """Return what pip's configuration calls `index-url`, the strongest first (PIP_INDEX_URL, then the files)."""
    from pip._internal.configuration import Configuration
    from pip._internal.exceptions import PipError

    configuration = Configuration(isolated=False)
    try:
        configuration.load()
    except (PipError, OSError, ValueError):
        return []
    values: dict[str, str] = {}
    for name, value in configuration.items():
        values |= value if isinstance(value, dict) else {name: value}
    return [values[key] for section in _SECTIONS if (key := f"{section}.index-url") in values]
