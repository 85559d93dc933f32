"""A bucket fails under the real server: right answers, nothing lost, red within two seconds, back by itself."""

from __future__ import annotations

import base64
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES
from strongroom.adapters.blobs.bucket_store import PART_BYTES
from tests.contracts.buckets import running_bucket
from tests.contracts.faulty_bucket import (
    HANG,
    FaultyBucket,
    Kind,
    Spoilt,
    always,
    answer,
    faulty_bucket_aside,
)
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server
from tests.functional.test_store_faults import NAME, RED_SECONDS, SLACK_SECONDS, Scene, seconds_until
from tests.functional.wire import Answer

BACK_SECONDS = 15
ALL = set(Kind)
ERROR_IN_200 = answer("200 OK", "<Error><Code>InternalError</Code></Error>")
CUT_OFF = b"HTTP/1.1 2"
"""The connection ends in the middle of the answer."""


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, FaultyBucket]]:
    """Run a server behind the proxy, with a file that no memory holds; it must lose nothing, and end cleanly."""
    folder = tmp_path_factory.mktemp("bucket-faults")
    with running_bucket() as bucket, faulty_bucket_aside(bucket.endpoint) as faulty:
        settings = bucket.environment() | {"STRONGROOM_BLOBS": bucket.make_url(), "AWS_ENDPOINT_URL": faulty.endpoint}
        server = Server(folder / "data", settings=settings)
        server.start()
        try:
            server.admin("user", "create", "alice")
            token = server.admin("token", "create", "--user", "alice")
            scene = Scene(server, token, make_wheel(folder, "1.0", size_bytes=2 * SMALL_BYTES), folder)
            assert scene.publish(scene.wheel).status == 200
            assert scene.readiness() == 200
            yield scene, faulty
            assert os.listdir(server.data / "incoming") == []
            assert server.run("verify").returncode == 0
            assert server.stop() == 0, server.log_text()
            assert "Traceback" not in server.log_text()
        finally:
            server.kill()


def make_wheel(folder: Path, version: str, *, size_bytes: int = 0) -> Dist:
    """Make a wheel of at least that size."""
    ballast = base64.b64encode(random.Random(version).randbytes(size_bytes)).decode()
    wheel, _ = make_dists(folder / version, NAME, version=version, ballast=f"# {ballast}\n")
    return wheel


def turn_red(scene: Scene) -> None:
    """Wait until /readyz says so, which must not take longer than was promised."""
    assert seconds_until(lambda: scene.readiness() == 503, within_seconds=10) < RED_SECONDS + SLACK_SECONDS


def turn_green(scene: Scene, faulty: FaultyBucket) -> None:
    """Let the bucket be good again; nobody helps the server."""
    faulty.spoiling = lambda kind, number: None
    seconds_until(lambda: scene.readiness() == 200, within_seconds=BACK_SECONDS)


def is_asked_to_return(answer: Answer) -> bool:
    """Return whether the answer is 503 with Retry-After."""
    return answer.status == 503 and "retry-after" in answer.headers


def test_a_bucket_that_is_away_loses_nothing(spoilt: tuple[Scene, FaultyBucket]) -> None:
    """It fails, then says nothing: 503 for what needs it, pages go on, and what was refused may be repeated."""
    scene, faulty = spoilt
    second = make_wheel(scene.folder, "2.0")
    faulty.spoiling = lambda kind, number: Spoilt(answer("500 Oh" if kind is Kind.PUT else "503 Slow Down"))
    turn_red(scene)
    assert is_asked_to_return(scene.publish(second, version="2.0"))
    assert is_asked_to_return(scene.file())
    assert second.name not in scene.listed()

    faulty.spoiling = always(ALL, Spoilt(HANG))
    turn_red(scene)
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(scene.publish(second, version="2.0")))
    asked = len(faulty.seen)
    waiting.start()
    seconds_until(lambda: Kind.PUT in faulty.seen[asked:], within_seconds=10)
    assert second.name not in scene.listed(), "a page waits for no bucket"
    turn_green(scene, faulty)
    waiting.join()
    assert answers[0].status == 200 or is_asked_to_return(answers[0])

    assert scene.publish(second, version="2.0").status == 200
    assert scene.file().body == scene.wheel.path.read_bytes()
    assert {dist.name: dist.sha256 for dist in (scene.wheel, second)}.items() <= scene.listed().items()


def test_a_bucket_that_says_something_else_than_it_did(spoilt: tuple[Scene, FaultyBucket]) -> None:
    """Lost answers, an error inside a 200 and slowness are not the client's trouble; a refusal is a fault, and red."""
    scene, faulty = spoilt
    small, large = make_wheel(scene.folder, "3.0"), make_wheel(scene.folder, "4.0", size_bytes=PART_BYTES)
    faulty.delay_seconds = 0.1
    faulty.spoiling = lambda kind, number: Spoilt(CUT_OFF, is_done=True) if kind is Kind.PUT else None
    assert scene.publish(small, version="3.0").status == 200
    faulty.delay_seconds = 0
    faulty.spoiling = always({Kind.COMPLETE}, Spoilt(ERROR_IN_200))
    assert is_asked_to_return(scene.publish(large, version="4.0"))
    assert large.name not in scene.listed()
    faulty.spoiling = always({Kind.COMPLETE}, Spoilt(ERROR_IN_200, is_done=True))
    assert scene.publish(large, version="4.0").status == 200

    faulty.spoiling = always(ALL, Spoilt(answer("503 Slow Down")))
    turn_red(scene)
    faulty.spoiling = always({Kind.PUT}, Spoilt(answer("403 Forbidden", "<Error>a-detail</Error>")))
    refusable = make_wheel(scene.folder, "5.0")
    refused = scene.publish(refusable, version="5.0")
    assert refused.status == 500
    assert "a-detail" not in refused.text
    assert refusable.name not in scene.listed()
    assert scene.file().body == scene.wheel.path.read_bytes(), "it can be read all the while"
    time.sleep(1)  # what /readyz found a moment ago no longer counts
    assert "bucket-denied" in scene.server.get("/readyz").text, "a bucket that only reads"
    turn_green(scene, faulty)
    assert scene.publish(refusable, version="5.0").status == 200
    published = (scene.wheel, small, large, refusable)
    assert {dist.name: dist.sha256 for dist in published}.items() <= scene.listed().items()
