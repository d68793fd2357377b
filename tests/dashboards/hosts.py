"""
The exposition of invented hosts, step by step.

Series and labels are from a real exposition; the values are invented.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.dashboards.pools import BY_SYSCTL, OFF, Closure, Connections, FloatArray, Pool

PREFIX = "tcp_keepalive_"
BEGINS_AT = 10
"""The hour of the day at which the data begins, whatever the clock says."""
_LOCAL = ("workload_", "finding")
"""Prefixes of series in a real exposition that depend on the machine."""
NEAR_LIMIT_RATIO = 0.75
TUNED, DEFAULT = 120.0, 7200.0
"""Keepalive times: the recommended one, and the kernel's default."""
Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """
    What happens on one host; times are seconds since the beginning.

    time_setting is its keepalive time as a function of time. restarts_at and silent_from are when
    its exporter restarts and goes silent. failing has the begin and end of each collector's
    failure, and namespaces the keepalive times of other network namespaces.
    """

    name: str
    pools: Sequence[Pool]
    time_setting: Callable[[float], float]
    restarts_at: float = math.inf
    silent_from: float = math.inf
    failing: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    namespaces: Mapping[str, float] = field(default_factory=dict)


class Host:
    """
    One host of the invented fleet.
    """

    def __init__(self, plan: HostPlan, exposition: str, begin: float, seed: int) -> None:
        self.name = plan.name
        self._plan = plan
        self._begin = begin
        self._base = {
            key: value for key, value in _parse(exposition) if not key[0].startswith(_LOCAL)
        }
        self._timeouts = {
            labels["path"]: value
            for (name, pairs), value in self._base.items()
            if name == "path_idle_timeout_seconds" and (labels := dict(pairs))
        }
        self._connections = Connections(plan.pools, plan.time_setting(0), seed)
        self._counted: dict[Key, float] = {}
        self._edges: dict[Key, list[tuple[float, Key]]] = {}
        self._random = np.random.default_rng(seed)
        self._started = begin - 86400.0

    def step(self, now: float, seconds: float) -> dict[Key, float] | None:
        """
        The exporter's series now, seconds after the previous step; None if silent.
        """
        since = now - self._begin
        setting = self._plan.time_setting(since)
        closures = self._connections.step(seconds, (BEGINS_AT + since / 3600) % 24, setting)
        if self._plan.restarts_at <= since < self._plan.restarts_at + seconds:
            self._counted, self._started = {}, now
        for closure in closures:
            self._count(closure)
        if since >= self._plan.silent_from:
            return None
        self._values = self._base | self._counted
        self._publish_settings(setting)
        self._publish_connections()
        self._publish_exporter(now, since)
        return self._values

    def _set(self, name: str, value: float, **labels: str) -> None:
        """
        Publish a value.
        """
        self._values[name, frozenset(labels.items())] = value

    def _publish_settings(self, setting: float) -> None:
        for netns, seconds in {"host": setting, **self._plan.namespaces}.items():
            tuned = seconds == TUNED
            settings = {
                "time_seconds": seconds,
                "interval_seconds": 30 if tuned else 75,
                "probes": 8 if tuned else 9,
            }
            for name, value in settings.items():
                self._set(name, value, netns=netns)
                setting_name = name.removesuffix("_seconds")
                self._set("setting_matches_recommended", tuned, netns=netns, setting=setting_name)
                self._set("setting_configured", tuned, netns=netns, setting=setting_name)
            dead_peer = seconds + settings["interval_seconds"] * settings["probes"]
            self._set("dead_peer_detection_seconds", dead_peer, netns=netns)
            self._set("data_retransmissions", 15, netns=netns)
            for path, timeout in self._timeouts.items():
                probes = max(0, math.ceil((timeout - seconds) / settings["interval_seconds"]))
                self._set("path_protected", seconds < timeout, netns=netns, path=path)
                self._set(
                    "path_probes_before_timeout",
                    min(probes, settings["probes"]),
                    netns=netns,
                    path=path,
                )
            self._publish_findings(netns, seconds)

    def _publish_findings(self, netns: str, seconds: float) -> None:
        latest = min(self._timeouts.values())
        stale = (self._connections.keepalive >= latest) & (self._connections.keepalive == DEFAULT)
        affected = netns == "host" or any(
            pool.netns == netns and pool.keepalive == BY_SYSCTL for pool in self._plan.pools
        )
        findings = {
            ("KA001", "critical"): seconds >= latest and affected,
            ("KA001", "info"): seconds >= latest and not affected,
            ("KA009", "warning"): netns == "host" and seconds < latest and stale.any(),
            ("KA008", "info"): netns != "host" and seconds >= latest,
        }
        for (name, severity), found in findings.items():
            if found:
                self._set("finding", 1, id=name, severity=severity, netns=netns)

    def _publish_connections(self) -> None:
        table = self._connections
        idle = table.idle()
        hangs = ~np.isnan(table.hangs_for)
        states: Counter[tuple[str, str, str]] = Counter()
        at_risk: Counter[str] = Counter({"host": 0, **dict.fromkeys(self._plan.namespaces, 0)})
        risky: Counter[str] = Counter()
        workloads: Counter[str] = Counter()
        stalled: Counter[str] = Counter()
        for index, pool_index in enumerate(table.pool):
            pool = table.pools[pool_index]
            timeout = self._timeouts.get(pool.path, math.inf)
            protection = _protection(pool, table.keepalive[index], timeout)
            state = _state(idle[index], timeout, hangs=bool(hangs[index]))
            states[pool.path, protection, state] += 1
            workloads[pool.workload] += 1
            stalled[pool.workload] += bool(hangs[index])
            if state in {"near_limit", "over_limit"} and protection in {"none", "late"}:
                at_risk[pool.netns] += 1
                risky[pool.workload] += 1
        for (path, protection, state), number in states.items():
            self._set("connections", number, path=path, protection=protection, idle_state=state)
        self._publish_destinations(states)
        for netns, number in at_risk.items():
            self._set("at_risk_connections", number, netns=netns)
        for workload, number in workloads.items():
            self._set("workload_connections", number, workload=workload)
            self._set("workload_at_risk_connections", risky[workload], workload=workload)
            self._set("workload_stalled_connections", stalled[workload], workload=workload)
        self._publish_histograms(idle)
        timers = {"keepalive": int((table.keepalive != OFF)[~hangs].sum())}
        timers["retransmit"] = int(hangs.sum())
        timers["none"] = len(idle) - sum(timers.values())
        for timer, number in timers.items():
            self._set("connection_timers", number, timer=timer)
        self._set("sampled_sockets", len(idle))
        for netns in at_risk:
            sent = table.probes_sent if netns == "host" else 0
            self._set("probes_sent_total", sent, netns=netns)
        for path, seconds in table.survived.items():
            if path in self._timeouts:
                self._set("longest_idle_survived_seconds", seconds, path=path)

    def _publish_destinations(self, states: Counter[tuple[str, str, str]]) -> None:
        """
        All connections over a path have the same destination.
        """
        for name, pairs in self._base:
            if name == "path_snat_ports":
                path = dict(pairs)["path"]
                number = sum(count for (of, *_), count in states.items() if of == path)
                self._set("path_busiest_destination_connections", number, path=path)

    def _publish_histograms(self, idle: FloatArray) -> None:
        table = self._connections
        on = table.keepalive != OFF
        paths = np.array([pool.path for pool in table.pools])[table.pool]
        for path in {pool.path for pool in table.pools}:
            here = paths == path
            armed = here & on
            self._publish_histogram("connection_idle_seconds", idle[here], "g", path=path)
            times = table.keepalive[armed]
            self._publish_histogram("connection_keepalive_time_seconds", times, "g", path=path)
            expires = np.maximum(0, times - table.quiet[armed] % times)
            self._publish_histogram("timer_expires_seconds", expires, "g", path=path)

    def _count(self, closure: Closure) -> None:
        path, reason, spell = closure.pool.path, closure.reason, closure.spell
        labels = {"path": path, "reason": reason}
        for edge, key in self._buckets("closure_idle_seconds", labels):
            self._add(key, spell <= edge)
        for name, value in {"count": 1.0, "sum": spell}.items():
            self._add((f"closure_idle_seconds_{name}", frozenset(labels.items())), value)
        if reason.endswith("timeout"):
            netns = frozenset({("netns", closure.pool.netns)})
            self._add(("timeout_aborts_total", netns), 1)
        timeout = self._timeouts.get(path, math.inf)
        if reason == "normal":
            return
        if spell >= NEAR_LIMIT_RATIO * timeout:
            self._add(("idle_drops_total", frozenset(labels.items())), 1)
        if path in self._timeouts:
            shortest = ("shortest_idle_fatal_seconds", frozenset({("path", path)}))
            self._counted[shortest] = min(self._counted.get(shortest, math.inf), spell)

    def _add(self, key: Key, value: float) -> None:
        self._counted[key] = self._counted.get(key, 0) + value

    def _buckets(self, name: str, labels: Mapping[str, str]) -> list[tuple[float, Key]]:
        """
        The bucket boundaries of a histogram and the keys of their series.
        """
        given = frozenset(labels.items())
        if (name, given) not in self._edges:
            self._edges[name, given] = [
                (float(dict(pairs)["le"]), (series, pairs))
                for series, pairs in self._base
                if series == f"{name}_bucket" and given < pairs
            ]
        return self._edges[name, given]

    def _publish_exporter(self, now: float, since: float) -> None:
        self._set("sample_timestamp_seconds", now - float(self._random.uniform(0, 15)))
        self._set("process_start_time_seconds", self._started)
        self._set("process_cpu_seconds_total", 0.004 * (now - self._started))
        memory = 72e6 + 1e6 * float(self._random.uniform(0, 1))
        self._set("process_resident_memory_bytes", memory)
        for collector, seconds in {"settings": 0.0004, "sockets": 0.006}.items():
            taken = seconds * float(self._random.uniform(0.8, 1.6))
            self._set("collector_duration_seconds", taken, collector=collector)
        for collector, (begin, end) in self._plan.failing.items():
            self._set("collector_success", not begin <= since < end, collector=collector)

    def _publish_histogram(self, name: str, values: FloatArray, prefix: str, **labels: str) -> None:
        for edge, key in self._buckets(name, labels):
            self._values[key] = int((values <= edge).sum())
        self._set(f"{name}_{prefix}count", len(values), **labels)
        self._set(f"{name}_{prefix}sum", float(values.sum()), **labels)


def _parse(exposition: str) -> Iterator[tuple[Key, float]]:
    for family in text_string_to_metric_families(exposition):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            yield (name, frozenset(sample.labels.items())), sample.value


def _protection(pool: Pool, keepalive: float, timeout: float) -> str:
    if keepalive < timeout and keepalive != OFF:
        return "own"
    if pool.peer_keepalive < timeout:
        return "peer"
    return "none" if keepalive == OFF else "late"


def _state(idle: float, timeout: float, *, hangs: bool) -> str:
    if hangs:
        return "stalled"
    if idle >= timeout:
        return "over_limit"
    return "near_limit" if idle >= NEAR_LIMIT_RATIO * timeout else "active"
