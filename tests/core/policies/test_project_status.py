"""An archived or quarantined project takes no uploads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.core.model import ProjectStatus
from strongroom.core.policies.project_status import judge_status
from strongroom.core.policy import ALLOW, Refuse
from tests.factories import a_project


def test_a_new_project_takes_uploads() -> None:
    """The first upload makes the project."""
    assert judge_status(None) is ALLOW


@pytest.mark.parametrize("status", [ProjectStatus.ACTIVE, ProjectStatus.DEPRECATED])
def test_active_and_deprecated_projects_take_uploads(status: ProjectStatus) -> None:
    """PEP 792: deprecated is a remark and nothing more."""
    assert judge_status(replace(a_project(), status=status)) is ALLOW


@pytest.mark.parametrize("status", [ProjectStatus.ARCHIVED, ProjectStatus.QUARANTINED])
def test_archived_and_quarantined_projects_refuse_uploads(status: ProjectStatus) -> None:
    """PEP 792: the index MUST NOT allow new files; the refusal names the status and its reason."""
    verdict = judge_status(replace(a_project(), status=status, status_reason="nobody maintains it"))
    assert isinstance(verdict, Refuse)
    assert verdict.code == f"project-{status}"
    assert f"'demo' is {status} (nobody maintains it)" in verdict.reason
    assert verdict.hint
