"""
What a snapshot looks like at /metrics.
"""

import math
import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config.schema import Config
from exporter.model import HOST_NETNS, CollectorRun
from tests.exporter_process import exporter_process, values
from tests.golden import CONFIG, FILE, SNAPSHOT, render
from tests.lab.requirements import is_root

PREFIX = "tcp_keepalive_"
OF_CONNECTIONS = {
    "longest_idle_survived_seconds",
    "shortest_idle_fatal_seconds",
    "connections",
    "at_risk_connections",
    "connection_timers",
    "connection_idle_seconds",
    "connection_keepalive_time_seconds",
    "timer_expires_seconds",
    "sampled_sockets",
    "workload_connections",
    "workload_at_risk_connections",
    "probes_sent",
    "timeout_aborts",
}
OF_SETTINGS = {
    "time_seconds",
    "interval_seconds",
    "probes",
    "data_retransmissions",
    "setting_configured",
    "setting_matches_recommended",
    "dead_peer_detection_seconds",
    "path_protected",
    "path_probes_before_timeout",
    "finding",
}
OF_CONFIG = {
    "exporter_build_info",
    "recommended_time_seconds",
    "recommended_interval_seconds",
    "recommended_probes",
    "path_idle_timeout_seconds",
}
OF_COLLECTORS = {"collector_success", "collector_duration_seconds", "namespaces"}
OF_CLOSURES = {"closure_idle_seconds", "idle_drops", "closure_events_lost"}
EVERYTHING = (
    OF_CONNECTIONS
    | OF_SETTINGS
    | OF_CONFIG
    | OF_COLLECTORS
    | OF_CLOSURES
    | {"sample_timestamp_seconds"}
)


def family_names(text: str) -> set[str]:
    """
    The families that have samples, without prefix; a gauge histogram's sums count as its own.
    """
    families = text_string_to_metric_families(text)
    names = {family.name.removeprefix(PREFIX) for family in families if family.samples}
    return {re.sub("_g(sum|count)$", "", name) for name in names}


def with_settings(**changes: Any) -> str:
    """
    The metrics of a host whose settings differ so from the golden ones.
    """
    settings = replace(SNAPSHOT.settings[HOST_NETNS], **changes)
    return render(replace(SNAPSHOT, settings={HOST_NETNS: settings}))


def test_golden() -> None:
    """
    A fixed snapshot makes exactly the golden file; `python -m tests.golden` writes it anew.
    """
    assert render() == FILE.read_text(encoding="utf-8")


def test_promtool_accepts_names() -> None:
    """
    `promtool check metrics` has nothing to say of names, units, types and help texts.
    """
    promtool = shutil.which("promtool")
    if promtool is None and not is_root():
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    assert promtool is not None, "install Debian's package prometheus"
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=FILE.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_everything() -> None:
    """
    After a sample every family is there.
    """
    assert family_names(render()) == EVERYTHING


def test_before_first_sample() -> None:
    """
    Before the first sample only what the configuration says is there.
    """
    assert family_names(render(None, None)) == OF_CONFIG


def test_sums_until_stale() -> None:
    """
    The sums of connections are shown until they are too old, then nothing stands in for them.
    """
    assert SNAPSHOT.sockets is not None
    fresh_until = SNAPSHOT.sockets.fresh_until
    assert family_names(render(now=fresh_until)) == EVERYTHING
    assert family_names(render(now=fresh_until + 0.001)) == EVERYTHING - OF_CONNECTIONS


def test_success_until_overdue() -> None:
    """
    When the next snapshot is overdue no collector counts as successful any more.
    """
    snapshot = replace(SNAPSHOT, runs={"settings": CollectorRun(success=True, duration=0.1)})
    series = f'{PREFIX}collector_success{{collector="settings"}}'
    assert values(render(snapshot, now=snapshot.due))[series] == 1
    assert values(render(snapshot, now=snapshot.due + 0.001))[series] == 0


def test_without_sockets() -> None:
    """
    While the sockets have never been read there is nothing of connections, not even zeros.
    """
    expected = EVERYTHING - OF_CONNECTIONS - {"sample_timestamp_seconds"}
    assert family_names(render(replace(SNAPSHOT, sockets=None))) == expected


def test_without_settings_collector() -> None:
    """
    Where nobody reads the settings, there is nothing of them.
    """
    runs = {"sockets": CollectorRun(success=True, duration=0.1)}
    text = render(replace(SNAPSHOT, settings={}, runs=runs))
    assert family_names(text) == EVERYTHING - OF_SETTINGS


@pytest.mark.parametrize(
    ("setting", "absent"),
    [
        ("time", {"time_seconds"}),
        ("interval", {"interval_seconds"}),
        ("probes", {"probes"}),
    ],
)
def test_unknown_setting(setting: str, absent: set[str]) -> None:
    """
    A setting that could not be read makes no series, nor does what needs it to be judged.
    """
    text = with_settings(**{setting: None}, problems=("cannot read it",))
    judged = {"dead_peer_detection_seconds", "path_protected", "path_probes_before_timeout"}
    assert family_names(text) == EVERYTHING - absent - judged
    assert f'setting="{setting}"' not in text


def test_unknown_data_retransmissions() -> None:
    """
    An unreadable tcp_retries2 costs its own metric alone.
    """
    text = with_settings(data_retransmissions=None, problems=("cannot read it",))
    assert family_names(text) == EVERYTHING - {"data_retransmissions"}


@pytest.mark.parametrize(
    ("time", "interval", "probes", "sent", "detection"),
    [
        (120, 30, 8, 4, 360),
        (0, 30, 8, 8, 240),  # the first probe follows at once
        (-1, 30, 8, 0, math.inf),  # none is ever sent
        (8589934, 30, 8, 0, 8589934 + 240),
        (120, 0, 8, 8, 120),  # all at once
        (120, -1, 8, 1, math.inf),  # the first one is the last
        (120, 30, 0, 0, 120),  # ended unprobed
        (120, -1, 0, 0, 120),
        (120, 30, 255, 4, 120 + 30 * 255),
        (240, 30, 8, 0, 480),  # at the very end is too late
    ],
)
def test_odd_settings(time: int, interval: int, probes: int, sent: int, detection: float) -> None:
    """
    Odd settings are shown as they are and judged by what the kernel makes of them, for 240 s.
    """
    text = with_settings(time=time, interval=interval, probes=probes)
    shown = {series.removeprefix(PREFIX): value for series, value in values(text).items()}
    lapses = interval < 0 < probes
    assert shown['time_seconds{netns="host"}'] == time
    assert shown['interval_seconds{netns="host"}'] == interval
    assert shown['probes{netns="host"}'] == probes
    assert shown['path_probes_before_timeout{netns="host",path="azure-outbound"}'] == sent
    assert shown['path_protected{netns="host",path="azure-outbound"}'] == (sent > 0 and not lapses)
    assert shown['dead_peer_detection_seconds{netns="host"}'] == detection


def test_recommended_settings_match() -> None:
    """
    A setting matches when it equals the recommended one, not when it is better.
    """
    shown = values(with_settings(time=120, interval=29, probes=8))
    matches = {
        name: shown[f'{PREFIX}setting_matches_recommended{{netns="host",setting="{name}"}}']
        for name in ("time", "interval", "probes")
    }
    assert matches == {"time": 1, "interval": 0, "probes": 1}


def test_profile_without_paths() -> None:
    """
    With no path at all, connections still count under the path `none`.
    """
    text = render(config=Config.model_validate({"profile": "none"}))
    of_paths = {"path_idle_timeout_seconds", "path_protected", "path_probes_before_timeout"}
    assert family_names(text) == EVERYTHING - of_paths
    assert f'{PREFIX}connections{{idle_state="active",path="none",protection="own"}}' in text


def test_no_series_twice() -> None:
    """
    No series stands there twice, which would fail Prometheus' scrape.
    """
    series = [line.rpartition(" ")[0] for line in render().splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))
    assert len(CONFIG.paths) == 3


def test_series_count() -> None:
    """
    The default configuration makes fewer than 300 series a host, the exporter's own included.
    """
    with exporter_process() as exporter:
        series = exporter.wait_for({f'{PREFIX}collector_success{{collector="settings"}}': 1})
    print(f"{len(series)} series, {sum(map(len, series))} bytes of names and labels")
    assert OF_CONNECTIONS & {name.partition("{")[0].removeprefix(PREFIX) for name in series}
    assert len(series) < 300
