"""The first upload of a name that exists upstream."""

from __future__ import annotations

import pytest

from strongroom.core.policies.upstream_name import Namesakes, judge_upstream_name, remark_namesakes
from strongroom.core.policy import ALLOW, Refuse
from tests.factories import DEMO, MAIN


def test_a_name_that_exists_upstream_is_refused() -> None:
    """With the consequence, and the command that claims it."""
    verdict = judge_upstream_name(DEMO, MAIN, namesakes=Namesakes(upstreams=("public",)))
    assert verdict == Refuse(
        "name-exists-upstream",
        "A project 'demo' exists in the upstream of the index 'public': from this file on, whoever installs 'demo' "
        "through 'main' would get only the files of 'main'",
        "Choose another name; or, if that is what you want, let somebody who manages the index say so: "
        "strongroom name claim demo --index main",
    )


def test_an_uncertain_name_that_is_known_is_refused_too() -> None:
    """One list is enough to know that it exists."""
    namesakes = Namesakes(upstreams=("public", "corp"), is_certain=False)
    verdict = judge_upstream_name(DEMO, MAIN, namesakes=namesakes)
    assert isinstance(verdict, Refuse)
    assert "'public' and 'corp'" in verdict.reason
    assert remark_namesakes(DEMO, namesakes=namesakes) == ()


@pytest.mark.parametrize(
    ("namesakes", "remarks"),
    [
        (Namesakes(), ()),
        (
            Namesakes(is_certain=False),
            (
                "Whether 'demo' exists upstream too could not be checked: "
                "the list of an upstream's names is not here yet.",
            ),
        ),
        (Namesakes(lookalikes=("dem0",)), ("'demo' is easily taken for 'dem0'.",)),
        (
            Namesakes(lookalikes=("d-emo", "de-mo", "dem-o", "dem0", "d-e-mo", "d-em-o", "d-em0")),
            ("'demo' is easily taken for 'd-emo', 'de-mo', 'dem-o', 'dem0', 'd-e-mo' and 2 more.",),
        ),
    ],
)
def test_everything_else_is_allowed_and_said(namesakes: Namesakes, remarks: tuple[str, ...]) -> None:
    """What could not be checked, and what looks alike."""
    assert judge_upstream_name(DEMO, MAIN, namesakes=namesakes) == ALLOW
    assert remark_namesakes(DEMO, namesakes=namesakes) == remarks
