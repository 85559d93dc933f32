"""The access matrix: every identity, every route, every method, every kind of target, against an independent oracle."""
