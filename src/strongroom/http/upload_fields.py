"""From the upload form's fields to what the uploader declares.

Knows the clients' spellings: empty and UNKNOWN mean absent, md5 comes as hex or as
urlsafe base64. Does not compare anything with the file (`core/policies/declaration.py`).
"""

from __future__ import annotations

import base64
import binascii
import re

from strongroom.core.errors import Gone, InvalidRequest
from strongroom.core.model import PackageType
from strongroom.core.names import parse_filename, parse_project_name, parse_sha256, parse_version
from strongroom.core.policies.declaration import Declaration
from strongroom.core.upload import UploadForm
from strongroom.http.form import Form

ACTION = ":action"
KEPT = frozenset(
    {
        ACTION, "attestations", "blake2_256_digest", "filetype", "md5_digest", "name", "protocol_version",
        "sha256_digest", "version",
    }
)  # fmt: skip
"""All that is read of the form; the archive holds the rest."""
SPARE = frozenset({"attestations"})
"""What never fails an upload, however long or often it is said."""

UPLOAD = "file_upload"
_GONE = {
    "submit": "Project pre-registration is no longer required or supported, upload your files instead.",
    "submit_pkg_info": "Project pre-registration is no longer required or supported, upload your files instead.",
    "doc_upload": "Uploading documentation is no longer supported, publish it where your other documentation is.",
}
_HEX_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEX_256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_action(action: str) -> None:
    """Return if the form is an upload; an empty action counts as one.

    Raises `Gone` for what PyPI gave up, `InvalidRequest` for anything else.
    """
    if action in ("", UPLOAD):
        return
    if action in _GONE:
        raise Gone(f"{action.replace('_', '-')}-gone", _GONE[action])
    raise InvalidRequest("unknown-action", f"There is no action {action[:40]!a}", f"Send ':action' as '{UPLOAD}'.")


def read_upload_form(form: Form) -> UploadForm:
    """Return what the form declares; raises `InvalidName`, `InvalidRequest`, `Gone`."""
    fields = {name: _clean(text) for name, text in form.fields.items()}
    check_action(fields.get(ACTION, ""))
    if fields.get("protocol_version", "") not in ("", "1"):
        raise InvalidRequest("protocol-version", "The form's protocol_version is not 1", "Use a newer uploader.")
    if form.filename is None:
        raise InvalidRequest("no-file", "The form has no file", "Send the distribution as the part 'content'.")
    return UploadForm(
        filename=parse_filename(form.filename),
        declared=_declaration(fields),
        attestations=fields.get("attestations") or None,
    )


def _declaration(fields: dict[str, str]) -> Declaration:
    name, version = fields.get("name", ""), fields.get("version", "")
    md5, sha256, blake2 = (fields.get(f"{kind}_digest", "") for kind in ("md5", "sha256", "blake2_256"))
    return Declaration(
        project=parse_project_name(name) if name else None,
        version=parse_version(version) if version else None,
        package_type=_package_type(fields.get("filetype", "")),
        sha256=parse_sha256(sha256) if sha256 else None,
        md5=_md5(md5) if md5 else None,
        blake2b_256=_blake2(blake2) if blake2 else None,
    )


def _clean(text: str) -> str:
    stripped = text.strip()
    return "" if stripped == "UNKNOWN" else stripped


def _package_type(text: str) -> PackageType | None:
    if not text:
        return None
    try:
        return PackageType(text)
    except ValueError:
        raise InvalidRequest(
            "filetype", f"The filetype {text[:40]!a} is not supported", "Publish an sdist or a bdist_wheel."
        ) from None


def _md5(text: str) -> str:
    if _HEX_MD5.fullmatch(text.lower()):
        return text.lower()
    try:
        digest = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise InvalidRequest("md5", "The md5_digest is neither hexadecimal nor base64 of an MD5", "Leave it out.")
    return digest.hex()


def _blake2(text: str) -> str:
    if not _HEX_256.fullmatch(text.lower()):
        raise InvalidRequest("blake2", "The blake2_256_digest is not 64 hexadecimal digits", "Leave it out.")
    return text.lower()
