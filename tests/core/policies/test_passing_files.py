"""What the type, the platform, the size and the yank of a file have to do with its coming through."""

from __future__ import annotations

import pytest

from strongroom.core.model import Yank
from strongroom.core.policies.maximum_size import TOO_LARGE, judge_size
from strongroom.core.policies.no_sdists import SDIST, judge_type
from strongroom.core.policies.no_yanked import YANKED, judge_yank
from strongroom.core.policies.platforms import PLATFORM, judge_platform
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.rules import NO_RULES, Rules
from tests.factories import a_copy, an_upstream_file
from tests.fakes import START
from tests.replacing import replace

WHEEL, TARBALL = an_upstream_file("demo-1.0-py3-none-any.whl"), an_upstream_file("demo-1.0.tar.gz")
LINUX = Rules(platforms=("manylinux*_x86_64", "win_amd64"))


def test_sdists_pass_unless_none_may() -> None:
    """And a wheel always does."""
    assert judge_type(TARBALL, NO_RULES) is ALLOW
    assert judge_type(WHEEL, Rules(takes_sdists=False)) is ALLOW
    verdict = judge_type(TARBALL, Rules(takes_sdists=False))
    assert isinstance(verdict, Refuse)
    assert (verdict.code, verdict.reason) == (SDIST, "demo-1.0.tar.gz is an sdist, and only wheels come through")


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0-1-py3-none-any.whl",
        "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "demo-1.0-cp312-cp312-manylinux_2_17_aarch64.manylinux_2_17_x86_64.whl",
        "demo-1.0-cp312-cp312-WIN_AMD64.whl",
        "demo-1.0-cp312-cp312-macosx_11_0_arm64.any.whl",
        "demo-1.0.tar.gz",
    ],
)
def test_wheels_for_a_wanted_platform_pass(filename: str) -> None:
    """One of their platforms is enough, `any` is every platform, and an sdist has none."""
    assert judge_platform(an_upstream_file(filename), LINUX) is ALLOW


@pytest.mark.parametrize("tag", ["manylinux_2_17_aarch64", "win_amd64_x", "xwin_amd64", "macosx_11_0_arm64", "many"])
def test_wheels_for_other_platforms_don_t(tag: str) -> None:
    """The whole tag has to match; without the rule all pass."""
    file = an_upstream_file(f"demo-1.0-cp312-cp312-{tag}.whl")
    assert judge_platform(file, NO_RULES) is ALLOW
    verdict = judge_platform(file, LINUX)
    assert isinstance(verdict, Refuse)
    assert verdict.code == PLATFORM
    assert f"is for {tag}, and wheels come through for manylinux*_x86_64, win_amd64" in verdict.reason


@pytest.mark.parametrize(("size_bytes", "passes"), [(0, True), (1_000_000, True), (1_000_001, False), (None, True)])
def test_a_known_size_is_judged(size_bytes: int | None, *, passes: bool) -> None:
    """Up to the maximum; what the page does not tell passes until the bytes are here."""
    file = replace(WHEEL, size_bytes=size_bytes)
    assert judge_size(file, NO_RULES) is ALLOW
    assert (judge_size(file, Rules(max_size_bytes=1_000_000)) is ALLOW) == passes


def test_the_stored_bytes_decide_the_size() -> None:
    """Whatever the page says of it; a copy without bytes decides nothing."""
    rules = Rules(max_size_bytes=100)
    file, said_small = replace(WHEEL, size_bytes=None), replace(WHEEL, size_bytes=1)
    stored = replace(a_copy(), size_bytes=2_500_000, stored_at=START)
    for item in (file, said_small):
        verdict = judge_size(item, rules, copy=stored)
        assert isinstance(verdict, Refuse)
        assert (verdict.code, verdict.reason) == (
            TOO_LARGE,
            "demo-1.0-py3-none-any.whl has 2.5 MB, and files come through up to 100 bytes",
        )
        assert judge_size(item, rules, copy=replace(stored, stored_at=None, size_bytes=0)) is ALLOW


def test_yanked_files_pass_unless_none_may() -> None:
    """PEP 592 leaves them to those who pinned them; the rule takes them away, and tells why they were yanked."""
    yanked, silent = replace(WHEEL, yank=Yank("broken build")), replace(WHEEL, yank=Yank())
    assert judge_yank(yanked, NO_RULES) is ALLOW
    assert judge_yank(WHEEL, Rules(takes_yanked=False)) is ALLOW
    for file, ending in ((yanked, "don't come through: broken build"), (silent, "don't come through")):
        verdict = judge_yank(file, Rules(takes_yanked=False))
        assert isinstance(verdict, Refuse)
        assert verdict.code == YANKED
        assert verdict.reason.endswith(ending)
