"""The rules of an index in bodies: what may come through it from upstreams.

The same fields in requests and answers. Does not decide what may stand in them
(`core/rule_text.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from strongroom.core.rules import Rules
from strongroom.http.api.fields import Body, read_whole

_MOST_ENTRIES = 5_000
_LONGEST_SECONDS = 3650 * 24 * 3600
_LARGEST_BYTES = 2**53

Texts = Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=_MOST_ENTRIES)]


class RulesBody(Body):
    """What a file must be to come through. The whole of it is given; what is left out is off."""

    model_config = ConfigDict(
        title="Rules", json_schema_extra={"examples": [{"cooldown_seconds": 259200, "denied": ["acme-*"]}]}
    )

    cooldown_seconds: Annotated[StrictInt, Field(ge=0, le=_LONGEST_SECONDS), BeforeValidator(read_whole)] | None = (
        Field(default=None, description="How long a file must have been upstream; null or 0 for at once.")
    )
    allowed: Texts = Field(default=[], description="Only these come through; empty for all.", examples=[["django"]])
    denied: Texts = Field(default=[], description="These never come through.", examples=[["requests<2.31"]])
    takes_sdists: StrictBool = True
    takes_yanked: StrictBool = True
    platforms: Texts = Field(
        default=[], description="Wheels for these platforms only, and those for any.", examples=[["manylinux*_x86_64"]]
    )
    max_size_bytes: Annotated[StrictInt, Field(ge=1, le=_LARGEST_BYTES), BeforeValidator(read_whole)] | None = None
    licences: Texts = Field(default=[], description="SPDX identifiers; empty for all.", examples=[["MIT"]])
    takes_unknown_licences: StrictBool = True

    def rules(self) -> Rules:
        """Return the rules of the core."""
        return Rules(
            cooldown=None if self.cooldown_seconds is None else timedelta(seconds=self.cooldown_seconds),
            allowed=tuple(self.allowed),
            denied=tuple(self.denied),
            takes_sdists=self.takes_sdists,
            takes_yanked=self.takes_yanked,
            platforms=tuple(self.platforms),
            max_size_bytes=self.max_size_bytes,
            licences=tuple(self.licences),
            takes_unknown_licences=self.takes_unknown_licences,
        )


def show_rules(rules: Rules) -> RulesBody:
    """Return the rules as the API writes them."""
    return RulesBody(
        cooldown_seconds=None if rules.cooldown is None else rules.cooldown // timedelta(seconds=1),
        allowed=list(rules.allowed),
        denied=list(rules.denied),
        takes_sdists=rules.takes_sdists,
        takes_yanked=rules.takes_yanked,
        platforms=list(rules.platforms),
        max_size_bytes=rules.max_size_bytes,
        licences=list(rules.licences),
        takes_unknown_licences=rules.takes_unknown_licences,
    )
