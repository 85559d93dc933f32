"""What is done in a process of its own, since the server's workers are forks of this one."""

from __future__ import annotations

import os

import pytest

from strongroom.cli.apart import run_apart
from strongroom.core.errors import Unavailable


def test_the_work_is_done_in_another_process() -> None:
    """What the bucket's library keeps running there is not needed here."""
    assert run_apart(os.getpid) != os.getpid()


def test_what_is_refused_there_is_refused_here() -> None:
    """With its kind, its code and its words."""

    def refuse() -> None:
        raise Unavailable("catalog-unreachable", "The catalog is away", "Start it.")

    with pytest.raises(Unavailable) as caught:
        run_apart(refuse)
    assert (caught.value.code, caught.value.hint) == ("catalog-unreachable", "Start it.")


def test_a_defect_there_is_a_defect_here() -> None:
    """And a process that ends without a word is not waited for."""
    with pytest.raises(RuntimeError, match="ZeroDivisionError: "):
        run_apart(lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="without a word"):
        run_apart(lambda: os._exit(3))
