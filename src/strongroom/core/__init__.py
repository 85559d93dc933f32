"""The pure core: what the words mean and how questions are decided.

No I/O, clock, randomness, logging or async in here: `now`, ids and secrets come
in as arguments, and a decision goes out as a value.
"""
