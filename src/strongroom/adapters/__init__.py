"""Implementations of the ports. They hold no rules of the index and raise only the errors of the ports."""
