"""What `strongroom serve` prints and refuses before anything listens."""

from __future__ import annotations

import socket
from pathlib import Path

from click.testing import CliRunner

from strongroom.cli.main import cli
from strongroom.cli.serve import banner


def test_the_banner_shows_where_and_how() -> None:
    """URL, data directory, the one-time link and lines to paste; never a second index."""
    text = banner("https://packages.example/py", data="/srv/data", setup_secret="s3cret")

    assert "https://packages.example/py/" in text
    assert "/srv/data" in text
    assert "https://packages.example/py/setup?key=s3cret" in text
    assert "uv pip install --index-url https://__token__:$TOKEN@packages.example/py/simple/ NAME" in text
    assert "twine upload --repository-url https://packages.example/py/legacy/" in text
    assert "extra" not in text


def test_the_link_is_shown_only_while_nobody_is_administrator() -> None:
    """Without a secret there is no link, and nothing that looks like one."""
    assert "setup" not in banner("http://127.0.0.1:8000", data="/srv/data", setup_secret=None)


def test_a_port_in_use_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    """The sentence names address and fix; no data directory appears."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["serve", "--data", str(tmp_path / "data"), "--port", str(port)])

    assert result.exit_code == 5
    assert f"Something else already listens on 127.0.0.1:{port}" in result.stderr
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    """An address that this machine does not have is named, with the flag that gave it."""
    result = CliRunner().invoke(cli, ["serve", "--data", str(tmp_path), "--host", "192.0.2.1", "--port", "8999"])

    assert result.exit_code == 5
    assert "Cannot listen on 192.0.2.1:8999" in result.stderr
    assert "--host" in result.stderr
