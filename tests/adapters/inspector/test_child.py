"""The inspecting child's own code, run here: framing, answers, limits."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.adapters.inspector import child, limits
from strongroom.adapters.inspector.frames import frame, read_frame
from strongroom.adapters.inspector.messages import (
    Job,
    Passed,
    Refused,
    Unreadable,
    decode_answer,
    encode,
    from_answer,
    to_answer,
)
from strongroom.core.archive import Inspected
from strongroom.core.model import PackageType
from strongroom.core.policy import Refuse
from tests.archives import Wheel, metadata_of

CPU_SECONDS = 60


def job_of(path: Path, filename: str = Wheel().filename) -> Job:
    """Return a job for the file."""
    return Job(str(path), filename, CPU_SECONDS)


def wheel_at(folder: Path) -> Path:
    """Write the plain wheel under a name that says nothing."""
    path = folder / "upload"
    path.write_bytes(Wheel().build())
    return path


def test_serves_until_the_pipe_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job gets one answer, in order; the end of the jobs ends the child."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    path = wheel_at(tmp_path)
    jobs = [job_of(path), job_of(path, "demo-2.0-py3-none-any.whl"), job_of(tmp_path / "gone")]
    answers = io.BytesIO()

    child.serve(io.BytesIO(b"".join(frame(encode(job)) for job in jobs)), answers)

    answers.seek(0)
    passed, refused, unreadable = (decode_answer(read_frame(answers) or b"") for _ in jobs)
    assert passed == Passed(metadata_of("demo", "1.0"), "bdist_wheel", "py3")
    assert isinstance(refused, Refused)
    assert refused.code == "wheel-dist-info-version"
    assert isinstance(unreadable, Unreadable)
    assert read_frame(answers) is None


def test_a_cut_frame_is_the_end() -> None:
    """A frame that the server did not finish is not taken for one."""
    framed = frame(encode(Job("a", "b", 1)))

    assert read_frame(io.BytesIO(framed[:-1])) is None
    assert read_frame(io.BytesIO(framed[:3])) is None


@pytest.mark.parametrize("outcome", [Refuse("a", "b", "c"), Inspected(b"\xff", PackageType.SDIST, "source")])
def test_outcomes_travel_unchanged(outcome: Inspected | Refuse) -> None:
    """What the gate said arrives as it was, bytes included."""
    body = read_frame(io.BytesIO(frame(encode(to_answer(outcome)))))

    answer = decode_answer(body or b"")
    assert not isinstance(answer, Unreadable)
    assert from_answer(answer) == outcome


def test_running_out_of_memory_is_the_file_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that needs more memory than there is gets refused; the child goes on."""

    def explode(*_: object) -> Inspected:
        raise MemoryError

    monkeypatch.setattr(child, "inspect_archive", explode)

    answer = child.inspect(job_of(wheel_at(tmp_path)))

    assert isinstance(answer, Refused)
    assert answer.code == "archive-too-expensive"


def test_limits_are_what_was_promised(tmp_path: Path) -> None:
    """In the child: 512 MiB of memory, few open files, no writing, no core dumps."""
    script = tmp_path / "limits.py"
    script.write_text(
        "import resource\n"
        "from strongroom.adapters.inspector.limits import limit_process\n"
        "limit_process(512 << 20)\n"
        "kinds = 'AS', 'NOFILE', 'FSIZE', 'NPROC', 'CORE'\n"
        "print(*(resource.getrlimit(getattr(resource, 'RLIMIT_' + kind))[1] for kind in kinds))\n"
        "try:\n"
        "    bytearray(600 << 20)\n"
        "except MemoryError:\n"
        "    print('no memory')\n"
        "try:\n"
        f"    with open({str(tmp_path / 'new')!r}, 'w') as file:\n"
        "        file.write('x')\n"
        "except OSError:\n"
        "    print('no writing')\n"
    )

    shown = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout

    limits, *refusals = shown.splitlines()
    assert limits.split() == [str(512 << 20), "16", "0", "0", "0"]
    assert refusals == ["no memory", "no writing"]


def test_a_system_that_cannot_limit_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a limit cannot be set, the child starts without it."""

    def refuse(*_: object) -> None:
        raise ValueError("not here")

    monkeypatch.setattr(resource, "setrlimit", refuse)

    limits.limit_process(1 << 30)


def test_the_child_knows_only_the_core() -> None:
    """The child imports none of the program beyond its frames and the core, and no server's code."""
    script = "import sys, strongroom.adapters.inspector.child; print(*sorted(sys.modules))"

    shown = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    loaded = shown.stdout.split()

    ours = [name for name in loaded if name.startswith("strongroom.")]
    allowed = ("strongroom.core", "strongroom.adapters.inspector")
    assert [name for name in ours if not name.startswith(allowed)] == ["strongroom.adapters"]
    assert {"asyncio", "sqlalchemy", "ssl", "http", "tempfile"}.isdisjoint(loaded)
