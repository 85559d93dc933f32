"""How urgent the children's work is: installers wait for pages, and publishers can wait for the gate."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from strongroom.adapters.inspector import messages, page_messages
from strongroom.adapters.inspector.frames import frame, read_frame
from tests.adapters.inspector.long_pages import BODIES
from tests.adapters.inspector.test_page_child import job_of

FILE_JOB = messages.encode(messages.Job("/nowhere", "demo-1.0.tar.gz", 60))
PAGE_JOB = page_messages.encode(job_of(BODIES[0]))


@pytest.mark.parametrize(
    ("module", "job", "niceness"), [("child", FILE_JOB, 10), ("page_child", PAGE_JOB, 0)], ids=["files", "pages"]
)
def test_only_the_gate_gives_way_to_the_server(module: str, job: bytes, niceness: int) -> None:
    """After its first answer, the child that inspects uploads has a lower priority, the other one has ours."""
    command = [sys.executable, "-I", "-m", f"strongroom.adapters.inspector.{module}", str(1 << 30)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(frame(job))
        child.stdin.flush()
        with open(child.stdout.fileno(), "rb", closefd=False) as answers:
            assert read_frame(answers) is not None
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.nice(0) + niceness
        child.stdin.close()
