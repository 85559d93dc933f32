"""Upstreams that misbehave: more than three hundred ways, served by one process.

`HostileServer` serves every scenario under its project's name, below any prefix:
`{root}simple/{project}/` as one upstream of many projects, or `{root}{anything}/simple/`
as many upstreams, for a mirror that stops asking one that failed.
"""

from __future__ import annotations

import re
from collections import Counter

from strongroom.core.names import ProjectName
from tests.replacing import replace
from tests.upstream import hostile_bodies, hostile_html, hostile_http, hostile_json, hostile_places
from tests.upstream.listener import Listener, Reply, Request
from tests.upstream.scenario import Scenario, Stage, site_of
from tests.upstream.server import answer_file, answer_page

SCENARIOS: tuple[Scenario, ...] = (
    *hostile_http.SCENARIOS,
    *hostile_bodies.SCENARIOS,
    *hostile_places.SCENARIOS,
    *hostile_json.SCENARIOS,
    *hostile_html.SCENARIOS,
)
_PAGE = re.compile(r"/(?P<prefix>(?:[^/]+/)*?)simple/(?P<project>[^/]+)/")
_FILE = re.compile(r"/(?P<prefix>(?:[^/]+/)*?)files/(?P<project>[^/]+)/(?P<filename>[^/]+)")


class HostileServer(Listener):
    """Serves all scenarios. With `is_healed` it has turned into a good upstream, which tells the truth."""

    def __init__(self) -> None:
        """Serve under a free port."""
        super().__init__(self._answer)
        self._scenarios = {scenario.project: scenario for scenario in SCENARIOS}
        self._turns: Counter[str] = Counter()
        self.is_healed = False

    def url_of(self, scenario: Scenario) -> str:
        """Return the URL of an upstream that has this scenario, and is asked for no other."""
        return f"{self.root}only/{scenario.name}/simple/"

    def _answer(self, request: Request) -> Reply:
        page, file = _PAGE.fullmatch(request.path), _FILE.fullmatch(request.path)
        match = page or file
        scenario = self._scenarios.get(ProjectName(match["project"])) if match else None
        if match is None or scenario is None:
            return Reply(status=404, body=b"no such thing")
        turn = self._turns[request.path]
        self._turns[request.path] += 1
        stage = Stage(scenario.truth, request, f"{self.root}{match['prefix']}", turn)
        if self.is_healed:
            scenario = replace(scenario, page=None, file=None, metadata=None)
        return _play_page(scenario, stage) if page else _play_file(scenario, stage)


def _play_page(scenario: Scenario, stage: Stage) -> Reply:
    site = site_of(scenario, stage.root)
    reply = answer_page(site, stage.request, page=site.find_page(scenario.project), packs=False)
    return scenario.page(stage, reply) if scenario.page else reply


def _play_file(scenario: Scenario, stage: Stage) -> Reply:
    is_metadata = stage.request.path.endswith(".metadata")
    url = f"{stage.file_url}.metadata" if is_metadata else stage.file_url
    reply = answer_file(site_of(scenario, stage.root), stage.request, url=url)
    twist = scenario.metadata if is_metadata else scenario.file
    return twist(stage, reply) if twist else reply
