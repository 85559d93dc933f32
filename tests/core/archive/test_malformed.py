"""Every class of malformed archive is refused, quickly, with its own stable code."""

from __future__ import annotations

import io
import time

import pytest

from strongroom.core.archive import inspect_archive
from strongroom.core.policy import Refuse
from tests.archives import MALFORMED_SDISTS, MALFORMED_WHEELS, Sample

SAMPLES = [*MALFORMED_WHEELS, *MALFORMED_SDISTS]
SLOWEST_SECONDS = 1.0
"""Processor time. Bombs are timed where they do harm: in the inspecting process, by its own tests."""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.filename}: {sample.title}")
def test_malformed_archives_are_refused(sample: Sample) -> None:
    """The gate refuses the archive with the code of its fault, a sentence and a hint, within a second."""
    archive = sample.build()

    started = time.thread_time()
    verdict = inspect_archive(io.BytesIO(archive), sample.filename)
    seconds = time.thread_time() - started

    assert isinstance(verdict, Refuse), verdict
    assert verdict.code == sample.code, verdict
    assert verdict.reason
    assert verdict.hint.endswith(".")
    assert verdict.sentence.isprintable()
    assert seconds < SLOWEST_SECONDS or sample.is_heavy


def test_there_are_enough_classes() -> None:
    """The corpus has the 60 classes of wheels and 40 of sdists that were promised, each once."""
    assert len({sample.title for sample in MALFORMED_WHEELS}) == len(MALFORMED_WHEELS) >= 60
    assert len({sample.title for sample in MALFORMED_SDISTS}) == len(MALFORMED_SDISTS) >= 40
