"""A promotion that must be installable from its target: where requirements are looked for, and where never."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.errors import UploadRefused, UpstreamTimeout
from strongroom.core.model import File, ProjectStatus, Yank
from strongroom.core.names import parse_project_name, parse_project_pattern
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.rules import Rules
from strongroom.services.promotion import Options
from tests.factories import (
    MAIN,
    OPERATOR,
    STAGING,
    a_file,
    a_grant,
    a_mirror,
    a_project,
    an_index,
    an_upstream_file,
    an_upstream_page,
)
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import wait
from tests.services.promoting import Stages, selections, wheels

CHECKED = Options(check_dependencies=True)


@pytest.fixture
def stages() -> Stages:
    """Provide the stages, with the mirror `public` below main."""
    stages = Stages()
    stages.house.add_index(a_mirror(rules=Rules(cooldown=timedelta(days=3))))
    stages.house.change(lambda tx: tx.indexes.replace(an_index("main", bases=["public"])))
    return stages


def stage(stages: Stages, filename: str, *requirements: str) -> File:
    """Publish a release with these requirements to staging."""
    lines = [f"Requires-Dist: {line}\n" for line in requirements]
    text = "Metadata-Version: 2.1\nName: x\nVersion: 1\n" + "".join(lines)
    file = replace(a_file(filename, index="staging"), metadata_sha256=wait(stages.blobs.put(text.encode())))
    stages.house.add_files(a_project(file.project, index="staging"), file)
    return file


def refusal(stages: Stages, *named: str) -> str:
    """Promote what must be refused, and return the sentence."""
    with pytest.raises(UploadRefused) as refused:
        stages.promote(*named, options=CHECKED)
    assert refused.value.code == "dependency-missing"
    assert refused.value.hint
    return refused.value.message


def offer_upstream(stages: Stages, *filenames: str, young: bool = False) -> None:
    """Let the upstream have files of one project."""
    at = START - timedelta(hours=1 if young else 1000)
    files = [an_upstream_file(filename, uploaded_at=at) for filename in filenames]
    stages.mirror.add_page(an_upstream_page(files[0].project, *files))


def test_what_is_missing_is_named_and_nothing_comes(stages: Stages) -> None:
    """Each requirement with the release that wants it."""
    stage(stages, "app-1.0.tar.gz", "core>=2", "nothing", "extra-thing; extra == 'test'")
    assert refusal(stages, "app", "core") == (
        "The index 'main' does not have core>=2 (for app==1.0), nothing (for app==1.0)"
    )
    assert stages.visible() == []
    assert stages.house.events() == []
    stages.promote("app")
    assert stages.visible() == ["app-1.0.tar.gz"]


def test_promoted_together_is_there(stages: Stages) -> None:
    """In the same step; a release that stays in staging does not count."""
    stage(stages, "app-1.0.tar.gz", "core>=1.0", "web")
    assert "web (for app==1.0)" in refusal(stages, "app", "core")
    stages.promote("app", "core", "web", options=CHECKED)
    assert stages.visible() == ["app-1.0.tar.gz", *wheels("core", "web")]
    assert stages.mirror.asked == []


def test_the_targets_own_files_count(stages: Stages) -> None:
    """Unless they are yanked or in quarantine."""
    stage(stages, "app-1.0.tar.gz", "lib>=1")
    stages.house.add_files(a_project("lib"), a_file("lib-1.0.tar.gz", yank=Yank()))
    assert "lib>=1" in refusal(stages, "app")
    stages.house.change(lambda tx: tx.files.add(a_file("lib-1.1.tar.gz")))
    stages.house.change(lambda tx: tx.projects.save(replace(a_project("lib"), status=ProjectStatus.QUARANTINED)))
    assert "lib>=1" in refusal(stages, "app")
    stages.house.change(lambda tx: tx.projects.save(a_project("lib")))
    stages.promote("app", options=CHECKED)
    assert stages.mirror.asked == []


def test_public_names_come_from_the_upstream(stages: Stages) -> None:
    """As the rules let them through: what is too young is not there."""
    stage(stages, "app-1.0.tar.gz", "requests>=2")
    offer_upstream(stages, "requests-1.0.tar.gz")
    assert "requests>=2" in refusal(stages, "app")
    offer_upstream(stages, "requests-2.0.tar.gz", young=True)
    assert "requests>=2" in refusal(stages, "app")
    offer_upstream(stages, "requests-2.0.tar.gz")
    stages.promote("app", options=CHECKED)
    assert set(stages.mirror.asked) == {("public", "requests")}


def test_owned_and_reserved_names_are_never_asked_upstream(stages: Stages) -> None:
    """A name of staging is withheld, a reserved one is nowhere, whatever the upstream has."""
    stage(stages, "app-1.0.tar.gz", "core", "acme-secret")
    held = Reservation(MAIN, parse_project_pattern("acme-*"), Hold.RESERVED, START, "user:ada")
    stages.house.change(lambda tx: tx.reservations.save(held))
    offer_upstream(stages, "core-9.0.tar.gz")
    assert refusal(stages, "app") == ("The index 'main' does not have core (for app==1.0), acme-secret (for app==1.0)")
    assert stages.mirror.asked == []


def test_an_overlay_has_both(stages: Stages) -> None:
    """Own versions and those of the upstream."""
    stage(stages, "app-1.0.tar.gz", "lib>=2", "lib<2")
    stages.house.add_files(a_project("lib"), a_file("lib-1.0+corp.1.tar.gz"))
    held = Reservation(MAIN, parse_project_pattern("lib"), Hold.OVERLAY, START, "user:ada")
    stages.house.change(lambda tx: tx.reservations.save(held))
    offer_upstream(stages, "lib-2.0.tar.gz")
    stages.promote("app", options=CHECKED)
    assert stages.mirror.asked == [("public", "lib")]


def test_an_overlay_over_another_index(stages: Stages) -> None:
    """Both owners count, and nobody is asked upstream; below may also be nothing at all."""
    stages.house.change(lambda tx: tx.indexes.replace(an_index("main", bases=["dev", "public"])))
    stage(stages, "app-1.0.tar.gz", "lib>=2", "lone")
    stages.house.add_files(a_project("lib"), a_file("lib-1.0.tar.gz"))
    stages.house.add_files(a_project("lib", index="dev"), a_file("lib-2.0.tar.gz", index="dev"))
    stages.house.add_files(a_project("lone"), a_file("lone-1.0.tar.gz"))
    for name in ("lib", "lone"):
        held = Reservation(MAIN, parse_project_pattern(name), Hold.OVERLAY, START, "user:ada")
        stages.house.change(lambda tx, held=held: tx.reservations.save(held))  # type: ignore[misc]  # bound at once
    stages.promote("app", options=CHECKED)
    assert ("public", parse_project_name("lib")) not in stages.mirror.asked


def test_an_upstream_that_fails_is_told(stages: Stages) -> None:
    """Whether the requirement could be met is not known then, so nothing comes."""
    stage(stages, "app-1.0.tar.gz", "requests")
    stages.mirror.fault = UpstreamTimeout("upstream-timeout", "The upstream did not answer")
    with pytest.raises(UpstreamTimeout):
        stages.promote("app", options=CHECKED)
    assert stages.visible() == []


def test_without_a_mirror_upstreams_have_nothing(stages: Stages) -> None:
    """A server without one says so by refusing."""
    stage(stages, "app-1.0.tar.gz", "requests")
    offer_upstream(stages, "requests-2.0.tar.gz")
    use_cases = stages.promotions
    alone = replace(use_cases, dependencies=replace(use_cases.dependencies, mirror=None))
    with pytest.raises(UploadRefused):
        wait(alone.promote(OPERATOR, selections("app"), source=STAGING, target=MAIN, options=CHECKED))


def test_an_approval_can_look_again(stages: Stages) -> None:
    """What was met at the request may be missing by now."""
    stage(stages, "app-1.0.tar.gz", "core")
    promotion = stages.request("app")
    with pytest.raises(UploadRefused):
        wait(stages.promotions.approve(OPERATOR, promotion.promotion_id, check_dependencies=True))
    assert stages.visible() == []
    wait(stages.promotions.approve(OPERATOR, promotion.promotion_id))
    assert stages.visible() == ["app-1.0.tar.gz"]


@pytest.mark.parametrize("exists", [True, False])
def test_requirements_that_one_may_not_read_are_not_found_out(stages: Stages, exists: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The refusal is the same whether the target has them, and no upstream is asked."""
    stage(stages, "tool-1.0-py3-none-any.whl", "secret-lib==1.0", "open-lib")
    if exists:
        stages.house.add_files(a_project("secret-lib"), a_file("secret_lib-1.0-py3-none-any.whl"))
    grants = (
        a_grant(Right.READ, index="staging"),
        a_grant(Right.UPLOAD, index="main", projects="tool"),
        a_grant(Right.READ, index="main", projects="open-*"),
    )
    bob = stages.person("bob", *grants)
    with pytest.raises(UploadRefused) as refused:
        stages.promote("tool", caller=bob, options=CHECKED)
    assert refused.value.code == "dependency-hidden"
    assert refused.value.message.startswith("Whether the index 'main' has secret-lib is not for you to know")
    assert stages.mirror.asked == []
    assert stages.promote("tool", caller=bob).promotion is not None
