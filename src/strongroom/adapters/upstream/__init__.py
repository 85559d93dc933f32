"""The network towards upstreams: a real client, one in memory, and the guard of the addresses."""
