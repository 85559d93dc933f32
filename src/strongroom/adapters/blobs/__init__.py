"""Bytes under their sha256: a local directory, or memory for tests."""
