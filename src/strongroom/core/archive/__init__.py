"""The archive gate: what a wheel or an sdist may contain.

Decides on bytes alone; reads a given file object and never unpacks it to a disk.
"""

from strongroom.core.archive.gate import Inspected, inspect_archive
from strongroom.core.archive.limits import Limits

__all__ = ["Inspected", "Limits", "inspect_archive"]
