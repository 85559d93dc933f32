"""The simple repository API (PEP 503, 691 and what amends them) as pure functions."""
