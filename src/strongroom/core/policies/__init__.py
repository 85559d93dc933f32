"""The rules an upload must keep, one a file; they do not know each other."""
