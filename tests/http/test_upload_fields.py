"""From the form's fields to what the uploader declares, in the spellings of all clients."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from strongroom.core.errors import Gone, InvalidName, InvalidRequest, StrongroomError
from strongroom.core.model import PackageType
from strongroom.core.policies.declaration import NOTHING_DECLARED, Declaration
from strongroom.http.form import Form
from strongroom.http.upload_fields import KEPT, check_action, read_upload_form

_FILENAME = "demo-1.0-py3-none-any.whl"
_MD5 = hashlib.md5(b"demo")
_SHA256 = hashlib.sha256(b"demo").hexdigest()


def _read(**fields: str) -> Declaration:
    return read_upload_form(Form(fields, _FILENAME)).declared


def test_a_whole_form() -> None:
    """Names become names, versions versions."""
    form = read_upload_form(
        Form(
            {
                ":action": "file_upload",
                "protocol_version": "1",
                "name": "Acme.Demo",
                "version": "1.0",
                "filetype": "sdist",
                "sha256_digest": _SHA256.upper(),
                "blake2_256_digest": "B" * 64,
                "attestations": " [] ",
            },
            "acme_demo-1.0.tar.gz",
        )
    )
    assert (form.filename, form.attestations) == ("acme_demo-1.0.tar.gz", "[]")
    assert (form.declared.project, form.declared.version) == ("acme-demo", Version("1.0"))
    assert (form.declared.package_type, form.declared.sha256) == (PackageType.SDIST, _SHA256)
    assert form.declared.blake2b_256 == "b" * 64


@pytest.mark.parametrize("absent", ["", " ", "UNKNOWN", "\n"])
def test_empty_and_unknown_mean_absent(absent: str) -> None:
    """Pdm sends parts of length 0, old setuptools sends UNKNOWN."""
    fields = {name: absent for name in KEPT if not name.startswith(":")}
    assert read_upload_form(Form(fields, _FILENAME)).declared == NOTHING_DECLARED
    assert read_upload_form(Form(fields, _FILENAME)).attestations is None


@pytest.mark.parametrize(
    "md5",
    [
        _MD5.hexdigest(),
        _MD5.hexdigest().upper(),
        base64.urlsafe_b64encode(_MD5.digest()).decode(),
        base64.urlsafe_b64encode(_MD5.digest()).rstrip(b"=").decode(),
    ],
)
def test_md5_comes_as_hex_or_base64(md5: str) -> None:
    """All four spellings are one digest."""
    assert _read(md5_digest=md5).md5 == _MD5.hexdigest()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"md5_digest": "x"}, "md5"),
        ({"md5_digest": "zz" * 16}, "md5"),
        ({"md5_digest": "é" * 22}, "md5"),
        ({"sha256_digest": "0" * 63}, "sha256"),
        ({"blake2_256_digest": "0" * 65}, "blake2"),
        ({"filetype": "bdist_egg"}, "filetype"),
        ({"protocol_version": "2"}, "protocol-version"),
        ({"name": "-demo-"}, "project-name"),
        ({"version": "one"}, "version"),
        ({":action": "remove_pkg"}, "unknown-action"),
    ],
)
def test_fields_that_cannot_be_read_are_named(fields: dict[str, str], code: str) -> None:
    """Each is a client's error with its own code and a hint."""
    with pytest.raises((InvalidRequest, InvalidName)) as caught:
        read_upload_form(Form(fields, _FILENAME))
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(
    "filename", ["../../etc/passwd", "demo.exe", "demo-1.0.whl\r\nX: y", "a" * 300 + ".whl", "démo-1.0.zip"]
)
def test_filenames_are_names_and_nothing_else(filename: str) -> None:
    """No path, no control character, no other type, no endless name; the message stays one line."""
    with pytest.raises(InvalidName) as caught:
        read_upload_form(Form({}, filename))
    assert caught.value.sentence.isprintable()


def test_a_form_without_a_file_says_so() -> None:
    """The part `content` is what an upload is about."""
    with pytest.raises(InvalidRequest, match="no file"):
        read_upload_form(Form({}, None))


@pytest.mark.parametrize("action", ["submit", "submit_pkg_info", "doc_upload"])
def test_gone_actions_are_gone_before_anything_else(action: str) -> None:
    """Even with a form that says nothing else."""
    with pytest.raises(Gone):
        check_action(action)
    with pytest.raises(Gone):
        read_upload_form(Form({":action": action}, None))


@given(st.dictionaries(st.sampled_from(sorted(KEPT)), st.text(max_size=100)), st.none() | st.text(max_size=50))
def test_no_form_breaks_the_reader(fields: dict[str, str], filename: str | None) -> None:
    """Any fields end as a declaration or as an error with a sentence."""
    told = ""
    try:
        read_upload_form(Form(fields, filename))
    except StrongroomError as error:
        told = error.sentence
    assert told.isprintable()
