"""A machine that fails under the real server: a disk without room, a disk that loses writes, too few open files."""
