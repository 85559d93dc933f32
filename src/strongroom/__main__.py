"""The program `strongroom`, also as `python -m strongroom`. Decides nothing."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit."""
    from strongroom.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
