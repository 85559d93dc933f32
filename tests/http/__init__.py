"""The HTTP side, asked through ASGI."""  # noqa: A005 - no test imports the standard library's by this name
