"""
The exposition of a snapshot.
"""

import math
import re
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config.schema import Config
from exporter.model import HOST_NETNS, CollectorRun
from tests.exporter_process import exporter_process, values
from tests.golden import CONFIG, FILE, SNAPSHOT, render
from tests.lab.requirements import needs

PREFIX = "tcp_keepalive_"
OF_CONNECTIONS = {
    "longest_idle_survived_seconds",
    "shortest_idle_fatal_seconds",
    "connections",
    "at_risk_connections",
    "path_busiest_destination_connections",
    "connection_timers",
    "connection_idle_seconds",
    "connection_keepalive_time_seconds",
    "timer_expires_seconds",
    "sampled_sockets",
    "workload_connections",
    "workload_at_risk_connections",
    "workload_stalled_connections",
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
    "profile_info",
    "recommended_time_seconds",
    "recommended_interval_seconds",
    "recommended_probes",
    "path_idle_timeout_seconds",
    "path_snat_ports",
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
    The families that have samples, without prefix. Sums and counts of a gauge histogram belong to
    its family.
    """
    families = text_string_to_metric_families(text)
    names = {family.name.removeprefix(PREFIX) for family in families if family.samples}
    return {re.sub("_g(sum|count)$", "", name) for name in names}


def with_settings(**changes: Any) -> str:
    """
    The metrics of a host whose settings differ from the golden ones by these changes.
    """
    settings = replace(SNAPSHOT.settings[HOST_NETNS], **changes)
    return render(replace(SNAPSHOT, settings={HOST_NETNS: settings}))


def test_golden() -> None:
    """
    A fixed snapshot renders exactly the golden file; `python -m tests.golden` rewrites it.
    """
    assert render() == FILE.read_text(encoding="utf-8")


@pytest.mark.system
def test_promtool_accepts_names() -> None:
    """
    `promtool check metrics` accepts all names, units, types and help texts.
    """
    checked = subprocess.run(
        [needs("promtool"), "check", "metrics"],
        input=FILE.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_everything() -> None:
    """
    After a sample every family is exported.
    """
    assert family_names(render()) == EVERYTHING


def test_before_first_sample() -> None:
    """
    Before the first sample only the families of the configuration are exported.
    """
    assert family_names(render(None, None)) == OF_CONFIG


def test_sums_until_stale() -> None:
    """
    The sums of connections are exported until they are too old, then they are absent.
    """
    assert SNAPSHOT.sockets is not None
    fresh_until = SNAPSHOT.sockets.fresh_until
    assert family_names(render(now=fresh_until)) == EVERYTHING
    assert family_names(render(now=fresh_until + 0.001)) == EVERYTHING - OF_CONNECTIONS


def test_success_until_overdue() -> None:
    """
    When the next snapshot is overdue, collector_success is 0.
    """
    snapshot = replace(SNAPSHOT, runs={"settings": CollectorRun(success=True, duration=0.1)})
    series = f'{PREFIX}collector_success{{collector="settings"}}'
    assert values(render(snapshot, now=snapshot.due))[series] == 1
    assert values(render(snapshot, now=snapshot.due + 0.001))[series] == 0


def test_without_sockets() -> None:
    """
    Until the sockets have been read, the families of connections are absent, without even zeros.
    """
    expected = EVERYTHING - OF_CONNECTIONS - {"sample_timestamp_seconds"}
    assert family_names(render(replace(SNAPSHOT, sockets=None))) == expected


def test_without_settings_collector() -> None:
    """
    Without the settings collector, the families of settings are absent.
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
    A setting that could not be read makes no series, and neither do the values derived from it.
    """
    text = with_settings(**{setting: None}, problems=("cannot read it",))
    derived = {"dead_peer_detection_seconds", "path_protected", "path_probes_before_timeout"}
    assert family_names(text) == EVERYTHING - absent - derived
    assert f'setting="{setting}"' not in text


def test_unknown_data_retransmissions() -> None:
    """
    If tcp_retries2 cannot be read, only its own metric is absent.
    """
    text = with_settings(data_retransmissions=None, problems=("cannot read it",))
    assert family_names(text) == EVERYTHING - {"data_retransmissions"}


@pytest.mark.parametrize(
    ("time", "interval", "probes", "sent", "detection"),
    [
        (120, 30, 8, 4, 360),
        (0, 30, 8, 8, 240),  # the first probe is sent immediately
        (-1, 30, 8, 0, math.inf),  # no probe is sent
        (8589934, 30, 8, 0, 8589934 + 240),
        (120, 0, 8, 8, 120),  # all in immediate succession
        (120, -1, 8, 1, math.inf),  # only one probe is sent
        (120, 30, 0, 0, 120),  # closed without a probe
        (120, -1, 0, 0, 120),
        (120, 30, 255, 4, 120 + 30 * 255),
        (240, 30, 8, 0, 480),  # a probe at the timeout is too late
    ],
)
def test_odd_settings(time: int, interval: int, probes: int, sent: int, detection: float) -> None:
    """
    Odd settings are exported unmodified. The derived values follow the kernel's behavior, here for
    an idle timeout of 240 s.
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
    A setting matches only if it equals the recommended value; a better value does not match.
    """
    shown = values(with_settings(time=120, interval=29, probes=8))
    matches = {
        name: shown[f'{PREFIX}setting_matches_recommended{{netns="host",setting="{name}"}}']
        for name in ("time", "interval", "probes")
    }
    assert matches == {"time": 1, "interval": 0, "probes": 1}


def test_profile_without_paths() -> None:
    """
    Without any path, connections are counted under the path `none`.
    """
    text = render(config=Config.model_validate({"profile": "none"}))
    of_paths = {
        "path_idle_timeout_seconds",
        "path_protected",
        "path_probes_before_timeout",
        "path_snat_ports",
    }
    assert family_names(text) == EVERYTHING - of_paths
    assert f'{PREFIX}connections{{idle_state="active",path="none",protection="own"}}' in text


def test_no_series_twice() -> None:
    """
    No series occurs twice, because Prometheus would reject the scrape.
    """
    series = [line.rpartition(" ")[0] for line in render().splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))
    assert len(CONFIG.paths) == 3


@pytest.mark.system
@pytest.mark.parametrize(
    "profile",
    ["auto", "azure-nat-gateway", "aws", "aws-nat-gateway", "gcp", "oci", "alibaba"],
)
def test_series_count(profile: str, tmp_path: Path) -> None:
    """
    With each profile that auto may choose, there are at most 350 series per host with ten
    workloads, including the exporter's own.
    """
    file = tmp_path / "config.yml"
    file.write_text(f"profile: {profile}")
    with exporter_process(f"--config.file={file}") as exporter:
        series = exporter.wait_for({f'{PREFIX}collector_success{{collector="settings"}}': 1})
    print(f"{len(series)} series, {sum(map(len, series))} bytes of names and labels")
    families = Counter(name.partition("{")[0].removeprefix(PREFIX) for name in series)
    assert OF_CONNECTIONS & families.keys()
    of_workloads = sum(number for name, number in families.items() if name.startswith("workload_"))
    assert len(series) - of_workloads + 3 * 10 <= 350
