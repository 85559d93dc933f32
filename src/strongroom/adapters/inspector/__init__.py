"""The archive gate behind its port: in a limited process, or inline for tests."""
