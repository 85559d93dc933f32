"""The reader of tags, compared with the standard library's."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.simpleapi.html_tags import read_tags


class Library(HTMLParser):
    """Collects tags with the standard library."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag; of two attributes of one name the first counts."""
        self.tags.append((tag, {name: value or "" for name, value in reversed(attrs)}))

    def handle_endtag(self, tag: str) -> None:
        """Take the end of a tag."""
        self.tags.append((f"/{tag}", {}))


WORDS = st.text("abcxyz-", min_size=1, max_size=5).map(lambda word: f"d{word}")
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\"'&"), max_size=12)
ATTRIBUTES = st.one_of(
    WORDS,
    st.builds('{}="{}"'.format, WORDS, VALUES),
    st.builds("{} = '{}'".format, WORDS, VALUES),
    st.builds("{}={}".format, WORDS, WORDS),
)
TAGS = st.one_of(
    st.builds(lambda attributes: f"<a {' '.join(attributes)} >", st.lists(ATTRIBUTES, max_size=4)),
    st.just("</a>"),
    st.just("<br/>"),
    st.just("<!-- <a href=x> -->"),
    st.just("text & more"),
)


@given(st.lists(TAGS, max_size=8).map("\n".join))
def test_ordinary_tags_are_read_as_the_library_does(text: str) -> None:
    """On well-formed HTML the two agree."""
    mine = [(tag.name, tag.attributes) for tag in read_tags(text)]
    library = [entry for entry in Library(text).tags if entry[0] != "/br"]
    assert mine == library


@given(st.text("<>!-/=\"' aAbB\n&;#x1[]", max_size=200))
def test_any_text_is_read_to_its_end(text: str) -> None:
    """Nothing fails, and every tag has a name."""
    assert all(tag.name.strip("/") for tag in read_tags(text))


@pytest.mark.parametrize(
    "pattern",
    [
        "<a ",
        "<!--",
        "<",
        "</",
        "<a b='",
        '<a b="',
        "<a b=",
        "<![CDATA[",
        "<script>",
        "<title><",
        "<a\t\n",
        "<a x=>",
        "<a =",
        "<a&#1",
    ],
)
@pytest.mark.timeout(30)
def test_no_text_takes_long(pattern: str) -> None:
    """Half a megabyte of the beginnings that other parsers choke on: `html.parser` needs an hour for some."""
    assert len(list(read_tags(pattern * (500_000 // len(pattern))))) <= 500_000


def test_the_first_of_two_attributes_counts() -> None:
    """HTML: a repeated attribute is dropped."""
    (tag,) = read_tags("<a href=1 HREF=2>")
    assert tag.attributes == {"href": "1"}


def test_a_tag_of_hundreds_of_attributes_ends_where_it_ends() -> None:
    """What is beyond reading is passed over, and what follows is read."""
    names = [tag.name for tag in read_tags(f"<a {' '.join(f'b{number}' for number in range(500))}><p>")]
    assert names == ["a", "p"]
    assert list(read_tags(f"<a {'b ' * 500}")) == []


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("&gt;=3&#x2e;8", ">=3.8"),
        ("a&amp;lt;", "a&lt;"),
        ("?a=1&copy=2&lt", "?a=1&copy=2&lt"),
        ("&nosuch;", "&nosuch;"),
        ("&#0;&#1114112;", "\ufffd\ufffd"),
    ],
)
def test_references(value: str, decoded: str) -> None:
    """A reference ends in `;`: URLs hold `&copy=`."""
    (tag,) = read_tags(f'<a b="{value}">')
    assert tag.attributes["b"] == decoded
