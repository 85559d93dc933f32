"""The primary of a replica, asked over HTTP."""
