"""Documentation cannot rot: what the program has is documented, and made pages are fresh."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reference_pages import DOCS, PAGES

ROOT = DOCS.parent
TEXTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("filename", PAGES)
def test_made_pages_are_fresh(filename: str) -> None:
    """The pages that are made from the program say what it says; `python -m tests.reference_pages` renews them."""
    assert (DOCS / filename).read_text() == PAGES[filename]()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link in a document names a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())

    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.name)
def test_decisions_are_short(path: Path) -> None:
    """An ADR has at most a hundred lines, a status and a decision."""
    text = path.read_text()

    assert len(text.splitlines()) <= 100
    assert "Status: " in text
    assert re.search(r"^## Decision$", text, re.MULTILINE) or path.name.startswith("0002")


def test_architecture_is_short() -> None:
    """ARCHITECTURE.md is a map of at most 250 lines."""
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 250


def test_no_text_recommends_a_second_index() -> None:
    """No document prints the option that opens the door to dependency confusion."""
    assert [path.name for path in TEXTS if "--extra-index-url" in path.read_text()] == []
