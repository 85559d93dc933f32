"""The REST API under /api/v1: what the command line can do, over HTTP, with OpenAPI 3.1.

The only place that imports FastAPI and pydantic's models; `application.py` builds it.
Holds no rules: what may happen is decided in `core`, done in `services`.
"""
