"""Promotion: releases of one index made visible in another, all at once.

`use_cases.py` has what one can do with promotions, `loading.py` what is read of both
indexes, `writing.py` what is written, `dependencies.py` whether what is promoted can be
installed from the target.
"""

from __future__ import annotations

from strongroom.services.promotion.dependencies import Dependencies
from strongroom.services.promotion.loading import MOST_RELEASES
from strongroom.services.promotion.use_cases import Options, Outcome, Promotions, Undone

__all__ = ["MOST_RELEASES", "Dependencies", "Options", "Outcome", "Promotions", "Undone"]
