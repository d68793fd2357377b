"""
Single looks and looks in turn, at connections behind a real NAT.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.connections.advice import Advice
from exporter.connections.listing import Look, Looker, remember
from exporter.connections.query import Query
from exporter.connections.row import Connection
from exporter.model import IdleState, Protection, Risk
from tests.exporter_process import AS_NOBODY, ROOT
from tests.lab import LAB_MARKS, Host, Keepalive, nat_lab, pair
from tests.lab import Connection as Pipe

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 4
SETTINGS = {
    "profile": "none",
    "paths": [{"name": "nat", "remote": "public", "idle_timeout": f"{IDLE_TIMEOUT}s"}],
}
CONFIG = Config.model_validate(SETTINGS)
QUERY = Query(everything=True)
LATER = IDLE_TIMEOUT + 1


@dataclass(frozen=True)
class Story:
    """
    The connections, and looks at them: two as root, the second knowing the first, with a change of
    the sysctl before it; and one as nobody.
    """

    pipes: dict[str, Pipe]
    first: Look
    second: Look
    as_nobody: list[dict[str, Any]]

    def of(self, name: str, seen: Look) -> Connection:
        """
        What a look says of one of the connections.
        """
        port = self.pipes[name].client.getsockname()[1]
        (row,) = [row for row in seen.connections if row.local_port == port]
        return row


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """
    Connections of each kind, left alone for longer than the NAT remembers.
    """
    looker, memory = Looker(), Memory()
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        client = lab.client
        client.sysctl("net.ipv4.tcp_keepalive_intvl", 1)
        pipes = {
            "none": lab.connect(),
            "hangs": lab.connect(),
            "own": lab.connect(keepalive=Keepalive(1, 1, 8)),
            "seems own": lab.connect(keepalive=Keepalive(LATER + 1, 1, 8)),
            "own time": lab.connect(keepalive=Keepalive(300, 1, 8)),
            "sysctl's time": lab.connect(keepalive=Keepalive()),
            "peer": lab.connect(),
        }
        Keepalive(1, 1, 8).apply(pipes["peer"].server)
        # Active while its timer, which was started at the beginning, is not due yet.
        begun = time.monotonic()
        while time.monotonic() < begun + LATER:
            pipes["seems own"].client.send(b"x")
            time.sleep(0.2)
        pipes["hangs"].client.send(b"x")
        first = look_when_resent(client, looker, pipes["seems own"])
        remember(first, memory)
        client.sysctl("net.ipv4.tcp_keepalive_time", 2)
        client.sysctl("net.ipv4.tcp_keepalive_intvl", 1)
        time.sleep(IDLE_TIMEOUT - 1)  # some probes of the peer's, whose gap is told by their number
        second = client.call(looker.look, QUERY, CONFIG, memory)
        as_nobody = look_as_nobody(client, tmp_path_factory.mktemp("config") / "exporter.yml")
        yield Story(pipes, first, second, as_nobody)


def look_when_resent(host: Host, looker: Looker, active: Pipe) -> Look:
    """
    A first look, once what is sent into nothing has been sent again more than once.
    """
    end = time.monotonic() + 20
    while True:
        active.client.send(b"x")
        found = host.call(looker.look, QUERY, CONFIG, Memory())
        if any(row.unanswered > 1 for row in found.connections):
            return found
        assert time.monotonic() < end, found.connections
        time.sleep(0.1)


def look_as_nobody(host: Host, config_file: Path) -> list[dict[str, Any]]:
    """
    What the command says to somebody without rights.
    """
    config_file.write_text(json.dumps(SETTINGS))  # which is YAML too
    argv = [*AS_NOBODY, "connections", "--all", "--format=json", f"--config.file={config_file}"]
    rows: list[dict[str, Any]] = json.loads(host.run(argv, cwd=ROOT).stdout)["connections"]
    return rows


def test_a_hang_is_seen_at_once(story: Story) -> None:
    """
    The first look tells that what was sent after a long idle spell is not answered.
    """
    assert story.first.first
    row = story.of("hangs", story.first)
    assert (row.risk, row.idle_state, row.advice) == (
        Risk.STALLED,
        IdleState.STALLED,
        Advice.STALLED,
    )
    assert row.received is not None
    assert row.received > IDLE_TIMEOUT
    assert story.first.connections[0].local_port == row.local_port


@pytest.mark.parametrize(
    ("name", "risk", "protection", "advice"),
    [
        ("none", Risk.AT_RISK, Protection.NONE, Advice.NO_KEEPALIVE),
        ("own", Risk.SAFE, Protection.OWN, None),
        ("seems own", Risk.UNPROTECTED, Protection.LATE, Advice.OWN_TIME_LATE),
        ("own time", Risk.AT_RISK, Protection.LATE, Advice.OWN_TIME_LATE),
        ("sysctl's time", Risk.AT_RISK, Protection.LATE, Advice.SETTING_LATE),
    ],
)
def test_first_look(
    story: Story, name: str, risk: Risk, protection: Protection, advice: Advice | None
) -> None:
    """
    What is at risk, why, and what to change, told by one look with the exact options.
    """
    row = story.of(name, story.first)
    assert (row.risk, row.protection, row.advice) == (risk, protection, advice)


def test_the_peer_is_seen_from_the_second_look_on(story: Story) -> None:
    """
    A first look cannot know of the peer's probes, which the second sees.
    """
    assert story.of("peer", story.first).protection is Protection.NONE
    row = story.of("peer", story.second)
    assert (row.protection, row.risk) == (Protection.PEER, Risk.SAFE)
    assert row.idle is not None
    assert row.idle < IDLE_TIMEOUT
    assert not story.second.first


def test_a_setting_changed_too_late(story: Story) -> None:
    """
    A lowered sysctl does not reach a timer that runs already: the service must be restarted.
    """
    row = story.of("sysctl's time", story.second)
    assert row.keepalive.time == 2
    assert (row.protection, row.advice) == (Protection.LATE, Advice.ARMED_BEFORE_CHANGE)


def test_without_exact_options(story: Story) -> None:
    """
    Without rights a keepalive time is known from below only; what it is set by, not at all.
    """
    rows = {row["local"]["port"]: row for row in story.as_nobody}
    assert not any(row["process"] or row["keepalive"]["exact"] for row in rows.values())
    late = rows[story.pipes["own time"].client.getsockname()[1]]
    assert (late["protection"], late["advice"]) == ("late", "late")
    assert 200 < late["keepalive"]["time_seconds"] <= 300.5


def test_counts(story: Story) -> None:
    """
    The connections are counted as they are shown.
    """
    for seen in (story.first, story.second):
        assert seen.by_risk.total() == len(seen.connections) == seen.matching == len(story.pipes)
        for risk in Risk:
            assert seen.by_risk[risk] == sum(row.risk is risk for row in seen.connections)


def test_all_namespaces() -> None:
    """
    With all namespaces, each connection is shown with the one it is in and what holds there.
    """
    config = CONFIG.model_copy(update={"namespaces": "all"})
    with pair() as lab:
        lab.client.sysctl("net.ipv4.tcp_keepalive_time", 111)
        pipe = lab.connect(keepalive=Keepalive())
        port = pipe.client.getsockname()[1]
        looker, memory = Looker(), Memory()
        first = looker.look(QUERY, config, memory)
        remember(first, memory)
        second = looker.look(QUERY, config, memory)
    names = {lab.client.name, lab.server.name}
    assert (first.first, second.first) == (True, False)
    for seen in (first, second):
        ours = {
            row.netns: row.keepalive
            for row in seen.connections
            if row.netns in names and port in (row.local_port, row.remote_port)
        }
        assert ours.keys() == names
        assert ours[lab.client.name].time == 111
        assert ours[lab.server.name].on is False
