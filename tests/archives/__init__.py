"""Wheels and sdists to order, valid and malformed: the tests' own writers, which can lie."""

from tests.archives.malformed_sdists import MALFORMED_SDISTS
from tests.archives.malformed_wheels import MALFORMED_WHEELS
from tests.archives.sample import Sample
from tests.archives.sdists import Sdist
from tests.archives.wheels import Wheel, metadata_of, record_line

__all__ = [
    "MALFORMED_SDISTS", "MALFORMED_WHEELS", "Sample", "Sdist", "Wheel", "metadata_of", "record_line",
]  # fmt: skip
