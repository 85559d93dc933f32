"""Alembic revisions, shipped with the program and run by `migrate.py` at the start."""
