"""HTTP: a request becomes a call of a use case, its outcome becomes a response.

Holds no rules: what may happen is decided in `core`, done in `services`.
"""
