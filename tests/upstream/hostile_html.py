"""Scenarios of pages in HTML: broken, of another kind, or with something hidden in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.upstream.hostile_places import INSIDE
from tests.upstream.scenario import Expected, Scenario, Stage, with_html, with_text

SERVED, REFUSED, EITHER = Expected.SERVED, Expected.REFUSED, Expected.EITHER


def _anchor(stage: Stage, *, href: str = "", more: str = "") -> str:
    truth = stage.truth
    link = href or f"../../files/{truth.project}/{truth.filename}#sha256={truth.sha256}"
    return f'<a href="{link}" {more}>{truth.filename}</a>'


def _page(body: str, *, top: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{top}</head><body>{body}</body></html>"


def _around(before: str, after: str = "", *, top: str = "") -> Callable[[Stage], str]:
    return lambda stage: _page(f"{before}{_anchor(stage)}{after}", top=top)


def _whole_scenarios() -> Iterator[Scenario]:
    pages: dict[str, tuple[Expected, Callable[[Stage], str]]] = {
        "empty": (REFUSED, lambda _: ""),
        "space": (REFUSED, lambda _: " \n "),
        "words": (REFUSED, lambda _: "Bad Gateway"),
        "sign-in": (
            REFUSED,
            lambda _: _page("<form action='/login'><input name='password'></form>", top="<title>Sign in</title>"),
        ),
        "error": (REFUSED, lambda _: _page("<h1>502 Bad Gateway</h1><hr>nginx")),
        "portal": (REFUSED, lambda _: _page("<a href='/pay'>Get online</a>")),
        "listing": (REFUSED, lambda _: _page("<h1>Index of /</h1><a href='../'>../</a><a href='x/'>x/</a>")),
        "xml": (REFUSED, lambda _: "<?xml version='1.0'?><x/>"),
        "frameset": (REFUSED, lambda _: "<html><frameset><frame src='/x'></frameset></html>"),
        "nuls": (REFUSED, lambda _: "\0" * 5000),
        "binary": (REFUSED, lambda _: "\udcff\udcfe\udc00".replace("\udc00", "\0") * 500),
        "json": (REFUSED, lambda _: '{"files": []}'),
        "refresh": (REFUSED, lambda _: _page("", top="<meta http-equiv='refresh' content='0; url=http://10.0.0.1/'>")),
        "half": (REFUSED, lambda stage: _page(_anchor(stage))[:80]),
        "open-tag": (REFUSED, lambda stage: f"<!DOCTYPE html><html><body><a href='{stage.file_url}"),
        "no-end": (EITHER, lambda stage: _page(_anchor(stage)).replace("</body></html>", "")),
        "bare": (EITHER, _anchor),
        "commented": (REFUSED, _around("<!-- ", " -->")),
        "in-script": (REFUSED, _around("<script>", "</script>")),
        "in-style": (REFUSED, _around("<style>", "</style>")),
        "in-title": (EITHER, lambda stage: _page("", top=f"<title>{_anchor(stage)}</title>")),
        "in-textarea": (EITHER, _around("<textarea>", "</textarea>")),
        "in-template": (EITHER, _around("<template>", "</template>")),
        "in-cdata": (EITHER, _around("<![CDATA[", "]]>")),
        "open-comment": (EITHER, _around("<!-- ")),
        "comment-junk": (EITHER, _around("<!--> --!> <! -->")),
        "deep": (EITHER, _around("<div>" * 50_000)),
        "long-attribute": (EITHER, lambda stage: _page(_anchor(stage, more=f'x="{"y" * 500_000}"'))),
        "many-attributes": (
            EITHER,
            lambda stage: _page(_anchor(stage, more=" ".join(f"a{n}=1" for n in range(20_000)))),
        ),
        "many-anchors": (SERVED, lambda stage: _page("<a href='x'>x</a>" * 20_000 + _anchor(stage))),
        "many-brackets": (EITHER, _around("<" * 100_000)),
        "entities": (
            EITHER,
            _around(
                "&lol;" * 50_000, top="<!DOCTYPE x [<!ENTITY lol 'lol'><!ENTITY xxe SYSTEM 'file:///etc/passwd'>]>"
            ),
        ),
        "version-2": (REFUSED, _around("", top="<meta name='pypi:repository-version' content='2.0'>")),
        "version-1-99": (SERVED, _around("", top="<meta name='pypi:repository-version' content='1.99'>")),
        "version-x": (EITHER, _around("", top="<meta name='pypi:repository-version' content='x'>")),
        "quarantined": (EITHER, _around("", top="<meta name='pypi:project-status' content='quarantined'>")),
        "base-elsewhere": (REFUSED, _around("", top="<base href='http://10.0.0.1/a/b/c/'>")),
        "base-script": (EITHER, _around("", top="<base href='javascript:x'>")),
        "base-broken": (EITHER, _around("", top="<base href='http://[::1'>")),
        "base-file": (EITHER, _around("", top="<base href='file:///etc/'>")),
        "other-wheels": (
            SERVED,
            _around("<a href='evil-9.0-py3-none-any.whl#sha256=00'>evil-9.0-py3-none-any.whl</a>"),
        ),
    }
    for name, (expected, make) in pages.items():
        yield Scenario(f"html-{name}", expected, page=with_html(make), is_html=True)


def _anchor_scenarios() -> Iterator[Scenario]:
    hrefs: dict[str, tuple[Expected, str]] = {
        "no-hash": (REFUSED, "{path}"),
        "md5": (REFUSED, "{path}#md5=" + "0" * 32),
        "empty-hash": (REFUSED, "{path}#sha256="),
        "short-hash": (REFUSED, "{path}#sha256=ab"),
        "wrong-hash": (REFUSED, "{path}#sha256=" + "0" * 64),
        "not-hex": (REFUSED, "{path}#sha256=" + "z" * 64),
        "two-hashes": (EITHER, "{path}#sha256=" + "0" * 64 + "&sha256={sha256}"),
        "hash-in-query": (REFUSED, "{path}?sha256={sha256}"),
        "query": (SERVED, "{path}?x=1#sha256={sha256}"),
        "absolute": (SERVED, "{url}#sha256={sha256}"),
        "egg": (SERVED, "{path}#sha256={sha256}&egg=demo"),
        "script": (REFUSED, "javascript:alert(1)//x-1.0.tar.gz#sha256={sha256}"),
        "file": (REFUSED, "file://{path}#sha256={sha256}"),
        "userinfo": (REFUSED, "http://u:p@10.0.0.1{path}#sha256={sha256}"),
        "line-break": (EITHER, "\n{path}#sha256={sha256}\n"),
        "backslash": (EITHER, "\\..\\x{path}#sha256={sha256}"),
        "nul": (EITHER, "{path}\0#sha256={sha256}"),
        "spaces": (EITHER, " {path}#sha256={sha256} "),
        "dots": (SERVED, "/a/../..{path}#sha256={sha256}"),
        "upper-hash": (SERVED, "{path}#sha256={upper}"),
    }
    for name, (expected, form) in hrefs.items():
        yield Scenario(f"html-href-{name}", expected, page=with_html(_linked(form)), is_html=True)
    for number, place in enumerate(INSIDE):
        yield Scenario(
            f"html-inside-{number}", REFUSED, page=with_html(_linked(place + "{name}#sha256={sha256}")), is_html=True
        )


def _linked(form: str) -> Callable[[Stage], str]:
    def make(stage: Stage) -> str:
        truth = stage.truth
        path = "/" + stage.file_url.split("/", 3)[3]
        told = {
            "path": path,
            "url": stage.file_url,
            "sha256": truth.sha256,
            "upper": truth.sha256.upper(),
            "name": truth.filename,
        }
        href = form
        for word, value in told.items():
            href = href.replace(f"{{{word}}}", value)
        return _page(_anchor(stage, href=href))

    return make


def _attribute_scenarios() -> Iterator[Scenario]:
    attributes = {
        "python-markup": 'data-requires-python="&gt;=3&quot;&gt;&lt;script&gt;"',
        "python-long": f'data-requires-python="{">" * 9000}"',
        "python-nul": 'data-requires-python="&#0;"',
        "yanked": "data-yanked",
        "yanked-markup": 'data-yanked="&lt;script&gt;"',
        "yanked-long": f'data-yanked="{"x" * 100_000}"',
        "metadata-wrong": f'data-core-metadata="sha256={"0" * 64}"',
        "metadata-junk": 'data-core-metadata="sha256=junk"',
        "metadata-true": 'data-dist-info-metadata="true"',
        "provenance-inside": 'data-provenance="http://10.0.0.1/"',
        "provenance-script": 'data-provenance="javascript:x"',
        "href-twice": 'href="http://10.0.0.1/x.whl"',
        "gpg": 'data-gpg-sig="true"',
        "event": 'onclick="alert(1)"',
    }
    for name, text in attributes.items():
        yield Scenario(f"html-with-{name}", EITHER, page=with_html(_with_attribute(text)), is_html=True)
    changes: dict[str, tuple[Expected, Callable[[str, Stage], str]]] = {
        "upper-case": (SERVED, lambda text, _: text.replace("<a href", "<A HREF").replace("</a>", "</A>")),
        "single-quotes": (SERVED, lambda text, _: text.replace('"', "'")),
        "line-breaks": (SERVED, lambda text, _: text.replace("<a ", "<a\n\t")),
        "bom": (EITHER, lambda text, _: f"\ufeff{text}"),
        "twice": (
            SERVED,
            lambda text, _: text.replace("<body>", "<body>" + text.partition("<body>")[2].partition("</body>")[0]),
        ),
        "invalid-utf-8": (EITHER, lambda text, _: text.replace("<body>", "<body>\udcff\udcfe")),
        "nul": (EITHER, lambda text, _: text.replace("<body>", "<body>\0")),
    }
    for name, (expected, change) in changes.items():
        yield Scenario(f"html-text-{name}", expected, page=with_text(change), is_html=True)
    for charset in ("utf-16", "utf-7", "ebcdic-cp-us", "nonsense", "iso-2022-jp", "x" * 1000):
        kind = f"text/html; charset={charset}"
        yield Scenario(f"html-charset-{charset[:12]}", EITHER, page=with_text(_same, content_type=kind), is_html=True)


def _with_attribute(text: str) -> Callable[[Stage], str]:
    return lambda stage: _page(_anchor(stage, more=text))


def _same(text: str, stage: Stage) -> str:
    return text


SCENARIOS: tuple[Scenario, ...] = (*_whole_scenarios(), *_anchor_scenarios(), *_attribute_scenarios())
