"""Inspecting in child processes: the verdicts arrive, and no file can take more than its share."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.adapters.inspector import child_process
from strongroom.adapters.inspector.inline import InlineInspector
from strongroom.adapters.inspector.messages import Unreadable, encode
from strongroom.adapters.inspector.process import Budget, ProcessInspector
from strongroom.core.archive import Inspected
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.model import PackageType
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse
from strongroom.ports import Inspector
from tests.adapters.inspector.children import BABBLER, CRASHER, SHOUTER, SLEEPER, answering, instead
from tests.archives import MALFORMED_SDISTS, MALFORMED_WHEELS, Sample, Sdist, Wheel, metadata_of
from tests.archives.zips import build_zip

HEAVY = [sample for sample in (*MALFORMED_WHEELS, *MALFORMED_SDISTS) if sample.is_heavy]
WHEEL = Wheel().filename
MOST_CPU_SECONDS = 4.0
"""Processor time with the child's start. A busy machine counts double: on an idle one all stay below 2."""

SPINNER = (
    "import resource, sys; sys.stdin.buffer.read(1); resource.setrlimit(resource.RLIMIT_CPU, (1, 9))\nwhile True: pass"
)


@asynccontextmanager
async def inspecting(budget: Budget | None = None) -> AsyncIterator[ProcessInspector]:
    """Run with an inspector and close it."""
    inspector = ProcessInspector(budget or Budget())
    try:
        yield inspector
    finally:
        await inspector.close()


def written(folder: Path, archive: bytes, *, name: str = "upload") -> Path:
    """Write the archive under a name that says nothing."""
    path = folder / name
    path.write_bytes(archive)
    return path


async def ask(inspector: Inspector, path: Path, *, filename: Filename = WHEEL) -> Inspected | Refuse:
    """Ask about a small file."""
    return await inspector.inspect(path, filename, size_bytes=1000)


def children_of(inspector: ProcessInspector) -> list[int]:
    """Return the process ids of the inspector's children."""
    return [child._process.pid for child in inspector._pool.children]


@pytest.mark.parametrize("make", [ProcessInspector, InlineInspector])
def test_verdicts_arrive(make: Callable[[], Inspector], tmp_path: Path) -> None:
    """A good file's metadata and a bad file's refusal come back, from each adapter alike."""

    async def scenario() -> None:
        inspector = make()
        wheel, sdist = Wheel(), Sdist()

        passed = await ask(inspector, written(tmp_path, wheel.build()))
        other = await ask(inspector, written(tmp_path, sdist.build(), name="b"), filename=sdist.filename)
        refused = await ask(inspector, written(tmp_path, b"", name="c"))
        await inspector.close()

        assert passed == Inspected(metadata_of("demo", "1.0"), PackageType.WHEEL, "py3")
        assert other == Inspected(metadata_of("demo", "1.0"), PackageType.SDIST, "source")
        assert isinstance(refused, Refuse)
        assert refused.code == "zip-no-end"

    asyncio.run(scenario())


def test_one_child_serves_many_files_and_is_replaced(tmp_path: Path) -> None:
    """A child is kept between files, up to a number of them; then a fresh one takes its place."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting(Budget(jobs_per_child=2)) as inspector:
            seen = []
            for _ in range(3):
                assert isinstance(await ask(inspector, path), Inspected)
                seen += children_of(inspector)

        assert len(seen) == 2  # after the first and the third; the second job was the first child's last
        assert seen[0] != seen[1]

    asyncio.run(scenario())


def test_the_word_to_stop_is_the_server_s_alone(tmp_path: Path) -> None:
    """An init system may send SIGTERM to all processes of a unit: an upload in flight must not be refused for it."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            assert isinstance(await ask(inspector, path), Inspected)
            (child,) = children_of(inspector)
            os.kill(child, signal.SIGTERM)
            await asyncio.sleep(0.2)
            assert isinstance(await ask(inspector, path), Inspected)
            assert children_of(inspector) == [child]

    asyncio.run(scenario())


def test_a_child_that_the_system_killed_refuses_no_file(tmp_path: Path) -> None:
    """When the machine runs out of memory the upload may be tried again; the file is not to blame."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            assert isinstance(await ask(inspector, path), Inspected)
            (child,) = children_of(inspector)
            os.kill(child, signal.SIGSTOP)
            asking = asyncio.create_task(ask(inspector, path))
            await asyncio.sleep(0.5)
            os.kill(child, signal.SIGKILL)
            with pytest.raises(Unavailable, match="cut short"):
                await asking
            assert isinstance(await ask(inspector, path), Inspected)

    asyncio.run(scenario())


def test_no_child_before_the_first_file() -> None:
    """Starting and closing an inspector that was never asked starts no process."""

    async def scenario() -> None:
        async with inspecting() as inspector:
            assert children_of(inspector) == []

    asyncio.run(scenario())


def test_at_most_two_children(tmp_path: Path) -> None:
    """Many files at once are inspected by two processes, and all get their verdict."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            outcomes = await asyncio.gather(*(ask(inspector, path) for _ in range(12)))

            assert len(children_of(inspector)) == 2
        assert all(isinstance(outcome, Inspected) for outcome in outcomes)

    asyncio.run(scenario())


@pytest.mark.parametrize("sample", HEAVY, ids=lambda sample: sample.title)
def test_bombs_cost_little(sample: Sample, tmp_path: Path) -> None:
    """Bombs are refused by their own code, in a child of 256 MiB, within seconds of processor time."""

    async def scenario() -> Inspected | Refuse:
        async with inspecting(Budget(memory_bytes=256 << 20)) as inspector:
            return await ask(inspector, path, filename=sample.filename)

    path = written(tmp_path, sample.build())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = asyncio.run(scenario())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert isinstance(outcome, Refuse)
    assert outcome.code == sample.code
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < MOST_CPU_SECONDS


def test_large_files_need_little_memory(tmp_path: Path) -> None:
    """A wheel that is larger than the child's memory is read as a stream."""
    wheel = Wheel(files={"demo/large.bin": bytes(range(256)) * (800 << 10)})
    stored = build_zip(replace(entry, is_deflated=False) for entry in wheel.entries())

    async def scenario() -> Inspected | Refuse:
        async with inspecting(Budget(memory_bytes=128 << 20)) as inspector:
            return await ask(inspector, path)

    path = written(tmp_path, stored)
    assert len(stored) > 192 << 20
    assert isinstance(asyncio.run(scenario()), Inspected)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (CRASHER, "archive-inspection-failed"),
        (BABBLER, "archive-inspection-failed"),
        (SHOUTER, "archive-inspection-failed"),
        (answering(encode(Unreadable("x"))[:-1] + b"\xff"), "archive-inspection-failed"),
        (SPINNER, "archive-too-expensive"),
    ],
)
def test_a_child_that_fails_costs_one_file(
    script: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that crashes, babbles or runs over its limit gets the file refused; the next file gets a fresh one."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            with monkeypatch.context() as patched:
                instead(patched, script)
                outcome = await ask(inspector, path)

            assert isinstance(outcome, Refuse)
            assert outcome.code == code
            assert children_of(inspector) == []
            assert isinstance(await ask(inspector, path), Inspected)

    asyncio.run(scenario())


def test_the_deadline_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that does not answer in time is killed."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        instead(monkeypatch, SLEEPER)
        async with inspecting(Budget(wall_seconds=0.3, wall_seconds_per_gib=0)) as inspector:
            started = time.monotonic()
            outcome = await ask(inspector, path)

            assert isinstance(outcome, Refuse)
            assert outcome.code == "archive-too-expensive"
            assert time.monotonic() - started < 5
            assert children_of(inspector) == []

    asyncio.run(scenario())


def test_a_cancelled_upload_takes_its_child_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client goes away, the child at work is killed, as its answer belongs to nobody."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            with monkeypatch.context() as patched:
                instead(patched, SLEEPER)
                task = asyncio.create_task(ask(inspector, path))
                await asyncio.sleep(0.3)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            assert children_of(inspector) == []
            assert isinstance(await ask(inspector, path), Inspected)

    asyncio.run(scenario())


def test_a_child_that_died_while_idle_is_replaced(tmp_path: Path) -> None:
    """An idle child that the system killed costs no file."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            await ask(inspector, path)
            (child,) = inspector._pool.children
            child._process.send_signal(signal.SIGKILL)
            await child._process.wait()

            assert isinstance(await ask(inspector, path), Inspected)
            assert child not in inspector._pool.children

    asyncio.run(scenario())


def test_closing_ends_children_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing kills busy children; who waits for them, or comes later, is told that the server stops."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        instead(monkeypatch, SLEEPER)
        async with inspecting() as inspector:
            task = asyncio.create_task(ask(inspector, path))
            await asyncio.sleep(0.3)
            await inspector.close()

            with pytest.raises(Unavailable):
                await task
            with pytest.raises(Unavailable):
                await ask(inspector, path)
            assert children_of(inspector) == []

    asyncio.run(scenario())


def test_a_child_that_ignores_the_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle child that does not end with its pipe is killed soon after."""

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        monkeypatch.setattr(child_process, "_CLOSING_SECONDS", 0.2)
        inspector = ProcessInspector()
        await ask(inspector, path)
        (child,) = inspector._pool.children
        child._process.send_signal(signal.SIGSTOP)

        await inspector.close()

        assert child._process.returncode == -signal.SIGKILL

    asyncio.run(scenario())


def test_a_file_that_is_gone_is_the_store_s_fault(tmp_path: Path) -> None:
    """A file that cannot be read back is no refusal of the upload."""

    async def scenario() -> None:
        async with inspecting() as inspector:
            with pytest.raises(StorageFault):
                await inspector.inspect(tmp_path / "gone", Wheel().filename, size_bytes=1)

    asyncio.run(scenario())


def test_no_room_for_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system cannot start a process, the server says that it is unavailable, and recovers."""

    async def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    async def scenario() -> None:
        path = written(tmp_path, Wheel().build())
        async with inspecting() as inspector:
            with monkeypatch.context() as patched:
                patched.setattr(asyncio, "create_subprocess_exec", refuse)
                with pytest.raises(Unavailable):
                    await ask(inspector, path)

            assert isinstance(await ask(inspector, path), Inspected)

    asyncio.run(scenario())
