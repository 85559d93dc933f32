"""The load proof: large files in little memory, long pages, clients that are slow on purpose."""
