"""What an upload does to the index: nothing, a new file, or a refusal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from packaging.version import Version

from strongroom.core.distfile import Distribution
from strongroom.core.errors import FileExists, UploadRefused
from strongroom.core.events import Uploaded
from strongroom.core.model import PackageType, ProjectStatus, Tombstone
from strongroom.core.names import parse_filename, parse_project_name
from strongroom.core.policies.declaration import Declaration, Digests
from strongroom.core.policies.upstream_name import Namesakes
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.upload import (
    AlreadyThere,
    Arrival,
    Draft,
    Facts,
    Plan,
    Publication,
    Sidecars,
    describe_uploader,
    judge_arrival,
    plan_upload,
    refusal_error,
)
from tests.factories import (
    DEMO,
    MAIN,
    OPERATOR,
    a_caller,
    a_file,
    a_project,
    a_token,
    a_token_caller,
    an_index,
    sha256_of,
)
from tests.fakes import START
from tests.replacing import replace

_FILENAME = parse_filename("Demo-1.0-py3-none-any.whl")
_DIGESTS = Digests(sha256_of("bytes"), md5="d" * 32, blake2b_256="b" * 64)
_ARRIVAL = Arrival(_FILENAME, Declaration(), _DIGESTS, size_bytes=5)
_DISTRIBUTION = Distribution(
    filename=_FILENAME,
    project=DEMO,
    display_name="Demo",
    version=Version("1.0"),
    package_type=PackageType.WHEEL,
    python_tag="py3",
    metadata_version="2.4",
    requires_python=">=3.9",
    summary=None,
    has_static_metadata=True,
)
_DRAFT = Draft(_DISTRIBUTION, _ARRIVAL, Sidecars(sha256_of("metadata"), sha256_of("provenance")))
_EMPTY = Facts(an_index(), project=None, file=None, tombstone=None)
_NOW = Publication("user:bob", START)
_SAME = replace(a_file(), filename=_FILENAME, sha256=_DIGESTS.sha256)
_OTHER = replace(_SAME, sha256=sha256_of("other"))
_TOMBSTONE = Tombstone(MAIN, DEMO, _FILENAME, _DIGESTS.sha256, START)


def test_a_first_upload_makes_file_project_and_event() -> None:
    """All three come from the archive, and carry the serial that the event was given."""
    plan = plan_upload(_DRAFT, _EMPTY, publication=_NOW)
    assert isinstance(plan, Plan)
    assert plan.event == Uploaded(
        index=MAIN, project=DEMO, version="1.0", filename=_FILENAME, sha256=_DIGESTS.sha256, size_bytes=5
    )
    file, project = plan.file(7), plan.project(7)
    assert (file.serial, project.serial) == (7, 7)
    assert (project.display_name, project.created_at) == ("Demo", START)
    assert (file.sha256, file.md5, file.blake2b_256) == (_DIGESTS.sha256, "d" * 32, "b" * 64)
    assert (file.requires_python, file.serves_metadata) == (">=3.9", True)
    assert (file.metadata_sha256, file.provenance_sha256) == (sha256_of("metadata"), sha256_of("provenance"))
    assert (file.uploaded_at, file.uploaded_by) == (START, "user:bob")


def test_a_later_upload_keeps_the_project_and_takes_the_newest_spelling() -> None:
    """Age and status stay; the name is shown as the newest metadata writes it."""
    project = replace(a_project("demo"), status=ProjectStatus.DEPRECATED, created_at=START - timedelta(days=9))
    plan = plan_upload(_DRAFT, replace(_EMPTY, project=project), publication=_NOW)
    assert isinstance(plan, Plan)
    assert plan.project(8) == replace(project, display_name="Demo", serial=8)


def test_an_import_is_marked_as_one() -> None:
    """The event tells that the upload time comes from elsewhere."""
    earlier = START - timedelta(days=900)
    plan = plan_upload(_DRAFT, _EMPTY, publication=Publication("operator:root", earlier, imported=True))
    assert isinstance(plan, Plan)
    assert plan.event.imported
    assert plan.file(1).uploaded_at == earlier


def test_metadata_that_a_build_may_change_is_not_advertised() -> None:
    """PEP 658 for sdists needs PEP 643's promise."""
    plan = plan_upload(
        replace(_DRAFT, distribution=replace(_DISTRIBUTION, has_static_metadata=False)), _EMPTY, publication=_NOW
    )
    assert isinstance(plan, Plan)
    assert not plan.file(1).serves_metadata


def test_the_same_bytes_change_nothing() -> None:
    """A retry is answered with the file that is there, even on a project that is closed by now."""
    closed = replace(a_project(), status=ProjectStatus.ARCHIVED)
    facts = replace(_EMPTY, project=closed, file=_SAME)
    assert judge_arrival(_ARRIVAL, facts) == AlreadyThere(_SAME)
    assert plan_upload(_DRAFT, facts, publication=_NOW) == AlreadyThere(_SAME)


def test_a_new_file_needs_a_look_into_its_archive() -> None:
    """Before the archive is read nothing speaks against a new name."""
    assert judge_arrival(_ARRIVAL, _EMPTY) is ALLOW


@pytest.mark.parametrize(
    ("facts", "declared", "code"),
    [
        (replace(_EMPTY, file=_OTHER), Declaration(), "file-exists"),
        (replace(_EMPTY, tombstone=_TOMBSTONE), Declaration(), "filename-deleted"),
        (replace(_EMPTY, file=_SAME), Declaration(sha256="0" * 64), "digest-mismatch"),
        (_EMPTY, Declaration(md5="0" * 32), "digest-mismatch"),
        (replace(_EMPTY, index=an_index(accepts_uploads=False)), Declaration(), "index-takes-no-uploads"),
        (
            replace(_EMPTY, project=replace(a_project(), status=ProjectStatus.QUARANTINED)),
            Declaration(),
            "project-quarantined",
        ),
        (_EMPTY, Declaration(project=parse_project_name("other")), "form-name"),
        (_EMPTY, Declaration(version=Version("3")), "form-version"),
        (_EMPTY, Declaration(package_type=PackageType.SDIST), "form-filetype"),
    ],
)
def test_each_rule_can_refuse(facts: Facts, declared: Declaration, code: str) -> None:
    """Each refusal has a stable code, a sentence and a hint."""
    refusal = plan_upload(replace(_DRAFT, arrival=replace(_ARRIVAL, declared=declared)), facts, publication=_NOW)
    assert isinstance(refusal, Refuse)
    assert refusal.code == code
    assert refusal.hint


@pytest.mark.parametrize(
    ("code", "error"),
    [("file-exists", FileExists), ("filename-deleted", FileExists), ("form-name", UploadRefused)],
)
def test_a_taken_filename_is_an_error_of_its_own(code: str, error: type[Exception]) -> None:
    """Uploaders treat an existing file differently from any other refusal."""
    made = refusal_error(Refuse(code, "Reason", "Hint"))
    assert type(made) is error
    assert made.sentence == "Reason. Hint"


def test_the_uploader_is_named_without_his_token() -> None:
    """A file outlives the token that published it."""
    assert describe_uploader(a_caller("bob").principal) == "user:bob"
    assert describe_uploader(a_token_caller(a_token()).principal) == "user:bob"
    assert describe_uploader(OPERATOR.principal) == "operator:root"


def test_a_new_name_that_exists_upstream_is_refused() -> None:
    """After all other rules: whoever claims it should not hear of the next fault only then."""
    facts = replace(_EMPTY, namesakes=Namesakes(upstreams=("public",)))
    refusal = plan_upload(_DRAFT, facts, publication=_NOW)
    assert isinstance(refusal, Refuse)
    assert refusal.code == "name-exists-upstream"
    closed = plan_upload(_DRAFT, replace(facts, index=an_index(accepts_uploads=False)), publication=_NOW)
    assert isinstance(closed, Refuse)
    assert closed.code == "index-takes-no-uploads"


def test_the_plan_says_what_the_uploader_should_know() -> None:
    """Of a new name that was looked up; otherwise nothing."""
    plan = plan_upload(_DRAFT, replace(_EMPTY, namesakes=Namesakes(lookalikes=("dem0",))), publication=_NOW)
    assert isinstance(plan, Plan)
    assert plan.remarks == ("'demo' is easily taken for 'dem0'.",)
    plain = plan_upload(_DRAFT, _EMPTY, publication=_NOW)
    assert isinstance(plain, Plan)
    assert plain.remarks == ()
