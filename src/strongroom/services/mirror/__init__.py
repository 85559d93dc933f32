"""What is kept of upstreams: their pages, their files, the lists of their names.

`mirror.py` puts the parts together and is what other services see of them
(`ports.Mirror`). Who may ask, for which name, and what comes through is decided before
and after (`core/sources.py`, `core/screening.py`).
"""
