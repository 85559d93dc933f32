"""What lock files and lists of requirements want."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidRequest
from strongroom.core.lockfiles import parse_lockfile
from strongroom.core.names import Filename, parse_project_name
from strongroom.core.wanted import Wanted
from tests.factories import sha256_of

A, B = sha256_of("a"), sha256_of("b")
WHEEL, SDIST = "click-8.3.0-py3-none-any.whl", "click-8.3.0.tar.gz"
CLICK = Wanted(
    project=parse_project_name("click"),
    version=Version("8.3.0"),
    specifier=SpecifierSet("==8.3.0"),
    filenames=(Filename(WHEEL), Filename(SDIST)),
    sha256s=(A, B),
)


def wanted(project: str, specifier: str = "", *, version: str | None = None, marker: str = "") -> Wanted:
    """Make an entry without files."""
    pinned = Version(version) if version else None
    return Wanted(parse_project_name(project), pinned, SpecifierSet(specifier), marker=marker)


def read(text: str | bytes, filename: str = "requirements.txt") -> tuple[Wanted, ...]:
    """Read a file of this name."""
    return parse_lockfile(text.encode() if isinstance(text, str) else text, filename=filename)


def refusal(text: str | bytes, filename: str = "requirements.txt") -> str:
    """Return what is said of a file that cannot be read."""
    with pytest.raises(InvalidRequest) as raised:
        read(text, filename)
    assert raised.value.code == "lockfile"
    assert raised.value.hint
    return raised.value.message


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("django", wanted("django")),
        ("Django >= 5.2 , < 6", wanted("django", ">=5.2,<6")),
        ("django==5.2.1", wanted("django", "==5.2.1", version="5.2.1")),
        ("django===5.2.1", wanted("django", "===5.2.1", version="5.2.1")),
        ("django==5.2.*", wanted("django", "==5.2.*")),
        ("django===five", wanted("django", "===five")),
        ("uvicorn[standard]~=0.30  # the server", wanted("uvicorn", "~=0.30")),
        (
            "pywin32==310 ; sys_platform == 'win32'",
            wanted("pywin32", "==310", version="310", marker='sys_platform == "win32"'),
        ),
        ("ruamel.yaml (>=0.18)", wanted("ruamel-yaml", ">=0.18")),
        ("django --config-settings=x=y", wanted("django")),
        ("django --hash=md5:x", wanted("django")),
    ],
)
def test_requirements(line: str, entry: Wanted) -> None:
    """PEP 508's forms; an extra changes nothing about the project itself."""
    assert read(line) == (entry,)


def test_hashes_over_several_lines() -> None:
    """As uv and pip-compile write them."""
    first = "# made by uv\nclick==8.3.0 ; python_version >= '3.10' \\\n"
    text = f"{first}    --hash=sha256:{A} \\\n    --hash sha256:{B}\n    # via app\n"
    (entry,) = read(text)
    assert (entry.project, entry.version, entry.sha256s, entry.filenames) == ("click", Version("8.3.0"), (A, B), ())
    assert entry.marker == 'python_version >= "3.10"'


def test_a_comment_ends_a_joined_line() -> None:
    """As pip reads it: the line after the comment is one of its own."""
    assert [entry.project for entry in read("click \\\n# comment \\\ndjango\\\n\nflask \\")] == [
        "click",
        "django",
        "flask",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "", "   ", "# django", "-i https://upstream.example/simple", "--index-url https://upstream.example/simple",
        "--extra-index-url=x", "--no-binary :all:", "--pre", "--require-hashes", "-e .", "-e git+https://a.example/x",
        "--editable ./x", ".", "./x", "../x", "/x/y", ".\\x", "C:\\x", "https://a.example/x.whl", "file:///x",
        "git+https://a.example/x.git@main#egg=x", "demo @ https://a.example/demo-1.0.whl", "demo-1.0-py3-none-any.whl",
    ],
)  # fmt: skip
def test_what_comes_from_elsewhere_is_left_out(line: str) -> None:
    """Options say where pip looks, and URLs and directories are not an index's."""
    assert read(f"{line}\nclick\n") == (wanted("click"),)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("-r other.txt", "includes another file"),
        ("-rother.txt", "includes another file"),
        ("--requirement=other.txt", "includes another file"),
        ("-c limits.txt", "includes another file"),
        ("--constraint limits.txt", "includes another file"),
        ("click=8", "not a requirement"),
        ("click==8;", "not a requirement"),
        ("click; python > 3", "not a requirement"),
        ("${NAME}==1", "not a requirement"),
        ("click 8", "not a requirement"),
        (f"{'x' * 200}", "not a requirement"),
        ("click --hash=sha256:zz", "not a sha256 digest"),
        ("click --hash=sha256:", "not a sha256 digest"),
        ("\u0441lick", "not a requirement"),
        ("click\x00", "not a requirement"),
        ("click==" + "1" * 300_000, "too long"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, cause: str) -> None:
    """With its number in the file, counted from one."""
    message = refusal(f"# a comment\n\nflask\n{line}\n")
    assert message.startswith("Line 4 of requirements.txt: ")
    assert cause in message


def test_a_file_that_is_not_text() -> None:
    """The line of the first odd byte is named."""
    assert refusal(b"click\nd\xff") == "Line 2 of requirements.txt: it is not UTF-8"
    assert read(b"\xef\xbb\xbfclick") == (wanted("click"),)


def test_a_file_that_is_too_long() -> None:
    """It is not read at all."""
    assert "more than 64 MiB" in refusal(b"#" * ((64 << 20) + 1))


def uv_lock(*packages: str, version: str = "1") -> str:
    """Make a uv.lock of these packages."""
    return f"version = {version}\nrevision = 3\n" + "\n".join(f"[[package]]\n{package}" for package in packages)


UV_CLICK = f"""
name = "click"
version = "8.3.0"
source = {{ registry = "https://upstream.example/simple" }}
dependencies = [{{ name = "colorama", marker = "sys_platform == 'win32'" }}]
sdist = {{ url = "https://files.upstream.example/a/{SDIST}", hash = "sha256:{B}", size = 276943 }}
wheels = [
    {{ url = "https://files.upstream.example/b/{WHEEL}?x=1#y", hash = "sha256:{A}", size = 107295 }},
]
"""
UV_APP = 'name = "app"\nversion = "0.1"\nsource = { virtual = "." }\n'


def test_uv_lock() -> None:
    """The packages of indexes with their files; not the project itself, nor checkouts and URLs."""
    others = [
        UV_APP,
        UV_APP.replace("virtual", "editable"),
        UV_APP.replace("virtual", "git"),
        'name = "x"',
        "source = 5",
    ]
    assert read(uv_lock(*others, UV_CLICK), "uv.lock") == (CLICK,)


def test_uv_lock_with_odd_files() -> None:
    """Quoted names, files of a local directory, kinds that nobody installs, and hashes of another kind."""
    package = f"""
name = "Demo_Two"
source = {{ registry = "../wheels" }}
resolution-markers = ["python_version < '3.12'", "python_version >= '3.12'"]
wheels = [
    {{ url = "https://files.upstream.example/demo_two-1%2Blocal-py3-none-any.whl", hash = "sha256:{A}" }},
    {{ path = "deep/demo_two-1-py3-none-any.whl" }},
    {{ filename = "demo_two-2-py3-none-any.whl", hash = "md5:x" }},
    {{ url = "https://files.upstream.example/demo_two-1.egg", hash = "sha256:{B}" }},
]
"""
    (entry,) = read(uv_lock(package), "uv.lock")
    assert (entry.project, entry.version, entry.specifier) == ("demo-two", None, SpecifierSet())
    names = ("demo_two-1+local-py3-none-any.whl", "demo_two-1-py3-none-any.whl", "demo_two-2-py3-none-any.whl")
    assert (entry.filenames, entry.sha256s) == (names, (A,))
    assert entry.marker == "(python_version < '3.12') or (python_version >= '3.12')"


PYLOCK = f"""
lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "local"
directory = {{ path = "." }}
[[packages]]
name = "archived"
archive = {{ url = "https://a.example/x.zip", hashes = {{ sha256 = "{A}" }} }}
[[packages]]
name = "click"
version = "8.3.0"
sdist = {{ url = "https://files.upstream.example/{SDIST}", hashes = {{ sha256 = "{B}" }} }}
wheels = [{{ name = "{WHEEL}", url = "https://files.upstream.example/x", hashes = {{ sha256 = "{A}", md5 = "x" }} }}]
[[packages]]
name = "unversioned"
marker = "os_name == 'nt'"
wheels = [{{ path = "unversioned-1-py3-none-any.whl", hashes = {{ blake2b = "x" }} }}]
"""


def test_pylock() -> None:
    """PEP 751: packages with wheels or an sdist; the version may be missing."""
    click, unversioned = read(PYLOCK, "pylock.dev.toml")
    assert click == CLICK
    assert (unversioned.project, unversioned.version, unversioned.sha256s) == ("unversioned", None, ())
    assert (unversioned.filenames, unversioned.marker) == (("unversioned-1-py3-none-any.whl",), 'os_name == "nt"')


@pytest.mark.parametrize(
    ("text", "filename", "cause"),
    [
        ("version = ", "uv.lock", "at end of document"),
        ("a = 1\nb = = 2", "pylock.toml", "at line 2"),
        ("", "uv.lock", "neither a pylock.toml nor a uv.lock"),
        ("[metadata]\nlock-version = '2.1'", "poetry.lock", "neither a pylock.toml nor a uv.lock"),
        ("[project]\nname = 'x'", "pyproject.toml", "neither a pylock.toml nor a uv.lock"),
        ("version = '1'\n[[package]]", "uv.lock", "neither a pylock.toml nor a uv.lock"),
        (f"x = {'[' * 100_000}", "uv.lock", "not TOML"),
        (f"x = {'1' * 10_000}", "uv.lock", "not TOML"),
        (uv_lock(UV_CLICK, version="2"), "uv.lock", "version 2"),
        (
            uv_lock(UV_APP, UV_CLICK.replace('"click"', '"-"')),
            "uv.lock",
            "package[1] of uv.lock: '-' is not a project name",
        ),
        (uv_lock(UV_CLICK.replace('"click"', "5")), "uv.lock", "package[0]"),
        (uv_lock(UV_CLICK.replace("8.3.0", "eight", 1)), "uv.lock", "'eight' is not a version"),
        (uv_lock(UV_CLICK.replace(B, "zz")), "uv.lock", "'zz' is not a sha256 digest"),
        (uv_lock(UV_CLICK.replace(SDIST, "a%20b.tar.gz")), "uv.lock", "'a b.tar.gz' is not the filename"),
        (PYLOCK.replace('"1.0"', '"2.0"'), "pylock.toml", "version 2.0"),
        (PYLOCK.replace('created-by = "tests"', ""), "pylock.toml", "created-by"),
        (PYLOCK.replace('"click"', '"Click_"'), "pylock.toml", "packages[2]"),
        (PYLOCK.replace("8.3.0", "eight", 1), "pylock.toml", "packages[2]"),
        (PYLOCK.replace(B, "zz"), "pylock.toml", "packages[2] of pylock.toml: 'zz' is not a sha256 digest"),
        (PYLOCK.replace(WHEEL, "x y.whl"), "pylock.toml", "packages[2]"),
        (PYLOCK.replace(f'name = "{WHEEL}", ', "").replace('example/x"', 'example/"'), "pylock.toml", "packages[2]"),
    ],
)
def test_a_lock_file_that_cannot_be_read(text: str, filename: str, cause: str) -> None:
    """The line or the entry is named."""
    message = refusal(text, filename)
    assert filename in message
    assert cause in message


@given(st.text(max_size=200) | st.binary(max_size=200), st.sampled_from(["requirements.txt", "uv.lock", "pylock.toml"]))
def test_any_text(text: str | bytes, filename: str) -> None:
    """Whatever a file holds, it is read or refused."""
    try:
        content = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        return
    try:
        entries = read(content, filename)
    except InvalidRequest:
        return
    assert all(entry.project == parse_project_name(entry.project) for entry in entries)
