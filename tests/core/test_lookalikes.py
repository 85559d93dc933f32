"""Names that a reader takes for one another."""

from __future__ import annotations

import pytest

from strongroom.core.lookalikes import find_lookalikes, fold


@pytest.mark.parametrize(
    ("one", "other"),
    [("acme-tools", "acme-t00ls"), ("billing", "bi11ing"), ("billing", "bllllng"), ("my-pkg", "mypkg"), ("O", "0")],
)
def test_lookalikes_fold_alike(one: str, other: str) -> None:
    """As PyPI compares them: separators go, l and i are 1, o is 0."""
    assert fold(one) == fold(other)


def test_only_other_names_are_found() -> None:
    """Each once, sorted; the name itself and different ones are not."""
    names = ["my-pkg", "mypkg", "my-pkg-2", "mypkg", "m-y-pkg", "pkg"]
    assert find_lookalikes("my-pkg", names) == ("m-y-pkg", "mypkg")
    assert find_lookalikes("other", names) == ()
