from __future__ import annotations

from pathlib import Path

import pytest

from tests.openapi_proof import SHORT_PHASES, furnished_server, install_tool, prove

pytestmark = pytest.mark.functional
EXAMPLES = 3


def test_no_generated_request_finds_a_fault(tmp_path: Path) -> None:
    """As each of five identities, no answer is a 5xx and each is one that the OpenAPI document declares."""
    install_tool()
    with furnished_server(tmp_path) as (server, identities):
        outcomes = prove(server, identities, phases=SHORT_PHASES, examples=EXAMPLES)
        assert [outcome.output for outcome in outcomes if not outcome.is_clean] == []
        assert "request failed" not in server.log_text()
    assert len(outcomes) == 5
    assert sum(outcome.cases for outcome in outcomes) > 300
