"""A small benchmark of the server against itself; comparisons with other servers are elsewhere."""
