"""Publishing: what becomes visible, and what is refused without a trace."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace

import pytest

from strongroom.core.errors import (
    FileExists,
    InvalidName,
    StorageFull,
    UploadRefused,
)
from strongroom.core.events import Uploaded
from strongroom.core.model import PackageType, ProjectStatus, Tombstone
from strongroom.core.policies.declaration import Declaration
from strongroom.core.upload import Outcome, Published, UploadForm
from tests.archives.sdists import Sdist
from tests.archives.wheels import Wheel
from tests.core.test_attestations import ATTESTATION
from tests.factories import (
    DEMO,
    MAIN,
    OPERATOR,
    a_project,
)
from tests.fakes import START
from tests.services.publishing import (
    CONTENT,
    NOTHING,
    OTHER_CONTENT,
    WHEEL,
    Place,
    WatchedBlobs,
    a_form,
    play,
    refused,
    upload,
)


def test_a_file_is_published_whole() -> None:
    """File, project, one event and two blobs; no lease and no temporary file stay."""

    async def scene(place: Place) -> None:
        published = await upload(place.publish, OPERATOR)
        assert published.outcome is Outcome.CREATED
        seen = await place.see()
        assert seen.files == (published.file,)
        assert [project.serial for project in seen.projects] == [published.file.serial] == [1]
        assert seen.events == (
            Uploaded(
                index=MAIN,
                project=DEMO,
                version="1.0",
                filename=WHEEL.filename,
                sha256=published.file.sha256,
                size_bytes=len(CONTENT),
            ),
        )
        assert (seen.blobs, seen.leases, seen.temporary) == (2, (), 0)
        assert published.file.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert published.file.md5 == hashlib.md5(CONTENT).hexdigest()
        assert published.file.blake2b_256 == hashlib.blake2b(CONTENT, digest_size=32).hexdigest()
        assert published.file.metadata_sha256 is not None
        metadata = await place.blobs.get(published.file.metadata_sha256)
        assert metadata == WHEEL.contents()[f"{WHEEL.directory}/METADATA"]

    play(scene)


def test_a_large_file_is_hashed_in_batches() -> None:
    """The digests are those of the whole, wherever the batches end."""
    wheel = Wheel(files={"demo/data.bin": random.Random(1).randbytes(2_500_000)})

    async def scene(place: Place) -> None:
        content = wheel.build()
        file = (await upload(place.publish, OPERATOR, content=content)).file
        assert (file.md5, file.size_bytes) == (hashlib.md5(content).hexdigest(), len(content))

    play(scene, Place(limit_bytes=10_000_000))


def test_an_sdist_is_published() -> None:
    """An sdist takes the same way; its type and tag come from its name."""
    sdist = Sdist()

    async def scene(place: Place) -> None:
        published = await upload(place.publish, OPERATOR, content=sdist.build(), form=a_form(sdist.filename))
        assert (published.file.package_type, published.file.python_tag) == (PackageType.SDIST, "source")

    play(scene)


def test_the_same_bytes_again_change_nothing() -> None:
    """A retry is a success without an event, a second file or a new serial."""

    async def scene(place: Place) -> None:
        first = await upload(place.publish, OPERATOR)
        before = await place.see()
        again = await upload(place.publish, OPERATOR)
        assert again == Published(Outcome.UNCHANGED, first.file)
        assert await place.see() == before

    play(scene)


@pytest.mark.parametrize("lost", ["file", "metadata"])
def test_the_same_bytes_again_mend_what_was_lost(lost: str) -> None:
    """A row whose bytes are gone: the repeated upload is acknowledged once they are back, and is no new release."""

    async def scene(place: Place) -> None:
        first = await upload(place.publish, OPERATOR)
        before = await place.see()
        metadata = first.file.metadata_sha256
        assert metadata is not None
        await place.blobs.remove(first.file.sha256 if lost == "file" else metadata)
        assert await upload(place.publish, OPERATOR) == Published(Outcome.UNCHANGED, first.file)
        assert await place.blobs.get(first.file.sha256) == CONTENT
        assert await place.blobs.get(metadata)
        assert await place.see() == before

    play(scene)


def test_lost_bytes_that_cannot_be_kept_are_not_acknowledged() -> None:
    """While the store takes nothing, the repeated upload fails as the first one would."""
    blobs = WatchedBlobs()

    async def scene(place: Place) -> None:
        first = await upload(place.publish, OPERATOR)
        await blobs.remove(first.file.sha256)
        full = StorageFull("disk-full", "The disk is full", "Free some space.")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blobs, "_keep_fails", full)
            with pytest.raises(StorageFull):
                await upload(place.publish, OPERATOR)
        assert (await place.see()).leases == ()

    play(scene, Place(blobs=blobs))


def test_other_bytes_under_a_known_name_are_refused() -> None:
    """A filename never changes its bytes, and the refused ones are not kept."""

    async def scene(place: Place) -> None:
        await upload(place.publish, OPERATOR)
        before = await place.see()
        with pytest.raises(FileExists, match=r"^File already exists \(demo-1\.0-py3-none-any\.whl\)"):
            await upload(place.publish, OPERATOR, content=OTHER_CONTENT)
        assert await place.see() == before

    play(scene)


def test_a_deleted_filename_stays_taken() -> None:
    """Not even the same bytes come back under a deleted name."""

    async def scene(place: Place) -> None:
        published = await upload(place.publish, OPERATOR)
        tombstone = Tombstone(MAIN, DEMO, published.file.filename, published.file.sha256, START)
        await place.catalog.write(lambda tx: tx.files.bury(tombstone))
        with pytest.raises(FileExists, match="previously used by a file that has since been deleted"):
            await upload(place.publish, OPERATOR)
        assert (await place.see()).files == ()

    play(scene)


def test_a_closed_project_takes_no_uploads() -> None:
    """The project's status is looked up, and nothing is kept."""

    async def scene(place: Place) -> None:
        archived = replace(a_project(), status=ProjectStatus.ARCHIVED)
        await place.catalog.write(lambda tx: tx.projects.save(archived))
        with pytest.raises(UploadRefused) as caught:
            await upload(place.publish, OPERATOR)
        assert caught.value.code == "project-archived"
        assert (await place.see()) == replace(NOTHING, projects=(archived,))

    play(scene)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (a_form(declared=Declaration(sha256="0" * 64)), "digest-mismatch"),
        (a_form(declared=Declaration(project=DEMO, package_type=PackageType.SDIST)), "form-filetype"),
        (a_form("other-1.0-py3-none-any.whl"), "wheel-dist-info-name"),
        (a_form("demo.whl"), "wheel-filename"),
    ],
)
def test_a_form_that_does_not_fit_the_file_leaves_nothing(form: UploadForm, code: str) -> None:
    """Wrong digests, wrong type, another project's name, no distribution's name."""
    assert refused(lambda place: upload(place.publish, OPERATOR, form=form)).code == code


def test_a_malformed_archive_leaves_nothing() -> None:
    """What the inspector refuses is refused with its code."""
    error = refused(lambda place: upload(place.publish, OPERATOR, content=b"PK nonsense"))
    assert isinstance(error, UploadRefused)


def test_the_digest_is_judged_before_the_archive_is_opened() -> None:
    """Damaged bytes never reach the parser: it would have found another fault."""
    form = a_form(declared=Declaration(md5="0" * 32))
    error = refused(lambda place: upload(place.publish, OPERATOR, content=b"PK nonsense", form=form))
    assert error.code == "digest-mismatch"


def test_attestations_are_stored_as_provenance() -> None:
    """PEP 740: a third blob with the provenance object."""

    async def scene(place: Place) -> None:
        form = a_form(attestations=json.dumps([ATTESTATION]))
        published = await upload(place.publish, OPERATOR, form=form)
        assert published.file.provenance_sha256 is not None
        provenance = json.loads(await place.blobs.get(published.file.provenance_sha256))
        assert provenance["attestation_bundles"][0]["attestations"] == [ATTESTATION]

    play(scene)


def test_malformed_attestations_never_fail_an_upload() -> None:
    """They are left out; the file is published."""

    async def scene(place: Place) -> None:
        published = await upload(place.publish, OPERATOR, form=a_form(attestations="{not json"))
        assert published.outcome is Outcome.CREATED
        assert published.file.provenance_sha256 is None
        assert (await place.see()).blobs == 2

    play(scene)


def test_a_filename_that_no_distribution_has_is_refused_by_name() -> None:
    """The filename's own fault comes before all others."""
    assert isinstance(refused(lambda place: upload(place.publish, OPERATOR, form=a_form("demo.zip"))), InvalidName)


def test_find_file_sees_what_is_published() -> None:
    """An import asks it before it reads a file."""

    async def scene(place: Place) -> None:
        assert await place.publish.find_file(MAIN, WHEEL.filename) is None
        published = await upload(place.publish, OPERATOR)
        assert await place.publish.find_file(MAIN, WHEEL.filename) == published.file

    play(scene)
