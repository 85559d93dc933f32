"""The release after this one: this program with one migration more, as a package beside it.

What a rolling restart meets cannot be tried with one release, so the next one is made: a
copy of the source whose migration widens a table. It stands before the installed one on
the path of the process that is told so.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import strongroom
from strongroom.adapters.sql import migrate

COLUMN = "remark_of_the_next_release"
NEXT = f"{int(migrate.HEAD) + 1:04}"
_MIGRATION = f'''"""The next release's."""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{migrate.HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen a table, as migrations do: what the releases before it write stays whole."""
    op.add_column("files", sa.Column("{COLUMN}", sa.Text, nullable=False, server_default=""))
'''


def make_next_release(folder: Path) -> dict[str, str]:
    """Make the next release, and return the settings of a process that is to run it."""
    source = Path(strongroom.__file__).parent
    copy = folder / source.name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    sql = copy / "adapters" / "sql"
    (sql / "migrations" / "versions" / f"{NEXT}_next.py").write_text(_MIGRATION)
    program = sql / "migrate.py"
    told = program.read_text()
    assert told.count(f'HEAD = "{migrate.HEAD}"') == 1
    program.write_text(told.replace(f'HEAD = "{migrate.HEAD}"', f'HEAD = "{NEXT}"'))
    return {"PYTHONPATH": str(folder)}
