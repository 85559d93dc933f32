from __future__ import annotations

from datetime import timedelta

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import parse_filename
from strongroom.core.prefetch import (
    Item,
    Shelf,
    State,
    choose_files,
    count_states,
    describe,
    find_lacking,
    find_nothing,
    match_own,
)
from strongroom.core.rules import Rules
from strongroom.core.screening import Gate
from strongroom.core.wanted import Wanted
from tests.factories import DEMO, PUBLIC, a_copy, a_file, an_upstream_file, an_upstream_page, sha256_of
from tests.fakes import START
from tests.replacing import replace

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
NO_SDISTS = Gate(PUBLIC, Rules(takes_sdists=False))
COOLDOWN = Gate(PUBLIC, Rules(cooldown=timedelta(days=3)))
PAGE = an_upstream_page("demo", an_upstream_file(WHEEL), an_upstream_file(SDIST), an_upstream_file("demo-2.0.tar.gz"))


def choose(wanted: Wanted, page: UpstreamPage = PAGE, *gates: Gate, copies: tuple[Copy, ...] = ()) -> list[Item]:
    """Choose from the page."""
    return list(choose_files(wanted, Shelf(page, gates, {copy.filename: copy for copy in copies}), now=START))


def states(items: list[Item]) -> dict[str | None, str]:
    """Return the state of each file."""
    return {item.filename: item.state.value for item in items}


def named(*filenames: str, sha256s: tuple[str, ...] = ()) -> Wanted:
    """Want these files of demo 1.0."""
    return Wanted(
        DEMO,
        Version("1.0"),
        filenames=tuple(map(parse_filename, filenames)),
        sha256s=tuple(sha256_of(text) for text in sha256s),
    )


def young(filename: str) -> UpstreamFile:
    """Make a file that was uploaded an hour ago."""
    return an_upstream_file(filename, uploaded_at=START - timedelta(hours=1))


def test_the_files_that_the_lock_file_names() -> None:
    """Those and no others; what is stored is here, a copy with other bytes or without any is not."""
    wanted = named(WHEEL, SDIST, sha256s=(WHEEL, SDIST))
    assert states(choose(wanted)) == {WHEEL: "to fetch", SDIST: "to fetch"}
    assert states(choose(wanted, PAGE, copies=(a_copy(WHEEL), a_copy(SDIST, is_stored=False)))) == {
        WHEEL: "here",
        SDIST: "to fetch",
    }
    other = a_copy(WHEEL, sha256=sha256_of("other"))
    assert states(choose(named(WHEEL), PAGE, copies=(other,))) == {WHEEL: "to fetch"}


def test_other_bytes_than_the_lock_file_says_fail() -> None:
    """Where it says a digest for each file; where it leaves some out they cannot be told apart."""
    (item,) = choose(named(WHEEL, sha256s=("other",)))
    assert (item.state, item.code) == (State.FAILED, "digest-mismatch")
    assert states(choose(named(WHEEL, SDIST, sha256s=("other",)))) == {WHEEL: "to fetch", SDIST: "to fetch"}


def test_a_named_file_that_the_upstream_lacks_is_missing() -> None:
    """The others come all the same."""
    items = choose(named(WHEEL, "demo-1.0-cp311-cp311-win32.whl"))
    assert states(items) == {WHEEL: "to fetch", "demo-1.0-cp311-cp311-win32.whl": "missing"}
    assert find_lacking(items) == ()


def test_a_pinned_version_means_all_its_files() -> None:
    """Those that the rules let through; if that is none, it says which rule hides them."""
    pinned = Wanted(DEMO, Version("1.0"), SpecifierSet("==1.0"))
    assert states(choose(pinned)) == {WHEEL: "to fetch", SDIST: "to fetch"}
    assert states(choose(pinned, PAGE, NO_SDISTS)) == {WHEEL: "to fetch"}
    (hidden,) = choose(Wanted(DEMO, Version("2.0")), PAGE, NO_SDISTS)
    assert (hidden.state, hidden.filename, bool(hidden.code)) == (State.HIDDEN, "demo-2.0.tar.gz", True)
    assert find_lacking([hidden]) == (DEMO,)


def test_digests_alone_choose_the_files() -> None:
    """As a list of requirements gives them, often for more files than there are."""
    wanted = Wanted(DEMO, Version("1.0"), sha256s=(sha256_of(SDIST), sha256_of("elsewhere")))
    assert states(choose(wanted)) == {SDIST: "to fetch"}
    (missing,) = choose(Wanted(DEMO, Version("1.0"), sha256s=(sha256_of("elsewhere"),)))
    assert (missing.state, missing.filename) == (State.MISSING, None)


def test_an_unpinned_requirement_means_the_latest_version_that_will_do() -> None:
    """That the rules let through, that is not yanked, and a pre-release only where there is nothing else."""
    page = replace(PAGE, files=(*PAGE.files, young("demo-3.0.tar.gz"), an_upstream_file("demo-4.0rc1.tar.gz")))
    assert states(choose(Wanted(DEMO), page, COOLDOWN)) == {"demo-2.0.tar.gz": "to fetch"}
    assert states(choose(Wanted(DEMO), page)) == {"demo-3.0.tar.gz": "to fetch"}
    assert states(choose(Wanted(DEMO, specifier=SpecifierSet("<2")), page)) == {WHEEL: "to fetch", SDIST: "to fetch"}
    assert states(choose(Wanted(DEMO, specifier=SpecifierSet(">3")), page)) == {"demo-4.0rc1.tar.gz": "to fetch"}
    yanked = replace(PAGE, files=(*PAGE.files, replace(an_upstream_file("demo-3.0.tar.gz"), yank=Yank())))
    assert states(choose(Wanted(DEMO), yanked)) == {"demo-2.0.tar.gz": "to fetch"}


def test_what_only_a_rule_hides_is_told_as_hidden() -> None:
    """Not as missing: somebody may ask for an exemption."""
    page = an_upstream_page("demo", young("demo-3.0.tar.gz"))
    (item,) = choose(Wanted(DEMO), page, COOLDOWN)
    assert (item.state, item.code, item.version) == (State.HIDDEN, "too-young", Version("3.0"))


def test_what_nobody_has_is_missing() -> None:
    """With what was wanted."""
    (item,) = choose(Wanted(DEMO, specifier=SpecifierSet(">=9")))
    assert (item.state, item.reason) == (State.MISSING, "the upstream of 'public' has no demo>=9")
    assert describe(Wanted(DEMO, Version("1.0"))) == "demo==1.0"


def test_a_quarantined_project_gives_nothing() -> None:
    """Whatever is stored of it."""
    for reason, shown in ((None, "quarantine"), ("malware", "quarantine (malware)")):
        page = replace(PAGE, status=ProjectStatus.QUARANTINED, status_reason=reason)
        (item,) = choose(named(WHEEL), page, copies=(a_copy(WHEEL),))
        assert (item.state, item.code) == (State.HIDDEN, "project-quarantined")
        assert item.reason.endswith(shown)


def test_own_files_are_here() -> None:
    """By name, by digest, by version or by specifier; nothing else of the project counts."""
    files = [a_file(WHEEL), a_file(SDIST), a_file("demo-2.0.tar.gz")]

    def found(wanted: Wanted) -> list[str | None]:
        return [item.filename for item in match_own(wanted, files) if item.state is State.HERE]

    assert found(named(WHEEL)) == found(named(WHEEL, sha256s=(WHEEL,))) == [WHEEL]
    assert found(named(WHEEL, sha256s=("other",))) == []
    assert found(Wanted(DEMO, Version("1.0"))) == [WHEEL, SDIST]
    assert found(Wanted(DEMO, Version("1.0"), sha256s=(sha256_of(SDIST),))) == [SDIST]
    assert found(Wanted(DEMO, specifier=SpecifierSet(">1"))) == ["demo-2.0.tar.gz"]


def test_a_project_is_lacking_without_a_file_or_with_a_failed_one() -> None:
    """Names are told once, in order; states are counted."""
    items = [
        replace(find_nothing(Wanted(DEMO), where="nobody"), project=a_file("b-1.tar.gz").project),
        Item(DEMO, State.HIDDEN),
        Item(DEMO, State.FETCHED),
        Item(a_file("a-1.tar.gz").project, State.HERE),
        Item(a_file("a-1.tar.gz").project, State.FAILED),
    ]
    assert find_lacking(items) == ("a", "b")
    assert count_states(items)[State.HIDDEN] == 1
