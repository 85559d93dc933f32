"""The catalog in memory, for tests of everything above it."""
