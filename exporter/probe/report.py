"""
Conclusions from a measurement: settings that protect, and entries for the config file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from exporter.analysis.findings import RuleContext, paths
from exporter.analysis.findings.remedies import better_recommended
from exporter.model import (
    HOST_NETNS,
    Direction,
    OnTimeout,
    Path,
    Recommended,
    Settings,
    StaleTimers,
)
from exporter.paths.matching import outbound_path
from exporter.probe.format import sentence
from exporter.probe.measurement import Measurement
from exporter.text.wording import number, seconds

_RULES = (paths.too_late, paths.lapses, paths.too_close, paths.single_probe)


@dataclass(frozen=True, slots=True)
class Configured:
    """
    The settings of this host, and recommended settings and paths of the configuration.
    """

    settings: Settings
    recommended: Recommended
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ProtectionAdvice:
    """
    How to protect connections on a measured path.

    protecting has sufficient settings, None if none in whole seconds are. is_protected: whether
    those of this host are sufficient, None if unknown. problem is the reason if they are not.
    """

    protecting: Recommended | None
    is_protected: bool | None
    problem: str = ""

    @property
    def remedy(self) -> str:
        """
        How to apply the protecting settings.
        """
        settings = self.protecting
        if settings is None:
            return "Raise the path's timeout."
        return (
            "`tcp-keepalive-exporter fix --for sysctl"
            f" --time={number(settings.time)}s --interval={number(settings.interval)}s"
            f" --probes={settings.probes}` prints the configuration. Then restart the services:"
            " open connections keep their timers."
        )


def advice(found: Measurement, configured: Configured) -> ProtectionAdvice | None:
    """
    How to protect connections to the server. None without both a lower and an upper bound.
    """
    path = measured_path(found, configured.paths)
    if path is None or found.bounds.fatal is None:
        return None
    settings, recommended = configured.settings, configured.recommended
    this_path = replace(path, name="this path")
    context = RuleContext(HOST_NETNS, settings, settings, recommended, (this_path,), StaleTimers())
    protecting = better_recommended(context) if context.badly_recommended() else recommended
    if context.values is None:
        return ProtectionAdvice(protecting, None)
    for rule in _RULES:
        if finding := rule(context):
            return ProtectionAdvice(protecting, False, finding.problem)
    return ProtectionAdvice(protecting, True)


def measured_path(found: Measurement, configured: Sequence[Path]) -> Path | None:
    """
    The measured path, with the longest survived time as its timeout. None if that is below 1 s.

    It has the name of the configured path, if that path is for this server only.
    """
    timeout = float(floor(found.bounds.survived))
    if timeout < 1:
        return None
    host = found.address.host.partition("%")[0]
    crossed = outbound_path(host, configured)
    own = crossed is not None and crossed.remote in ((host,), (f"{host}/32",), (f"{host}/128",))
    return Path(
        name=crossed.name if crossed and own else "to-" + host.replace(":", "-"),
        direction=Direction.OUTBOUND,
        remote=(host,),
        idle_timeout=timeout,
        on_timeout=found.bounds.on_timeout or OnTimeout.DROP,
    )


def comparison(found: Measurement, configured: Sequence[Path]) -> str | None:
    """
    The configured timeout of the path to the server, compared with the measured one.
    """
    path, bounds = outbound_path(found.address.host, configured), found.bounds
    if path is None:
        return None
    if bounds.fatal is not None and path.idle_timeout > bounds.fatal:
        verdict = "too long: connections are dropped earlier"
    elif path.idle_timeout < floor(bounds.survived):
        verdict = "shorter than measured, which is safe"
    else:
        verdict = "consistent with the measurement"
    return f"path {path.name}: {seconds(path.idle_timeout)}, {verdict}"


def path_entry(found: Measurement, configured: Sequence[Path]) -> str:
    """
    The path as a config file entry after a comment with the result; only the comment if unknown.
    """
    path = measured_path(found, configured)
    comment = f"  # {found.target.name}: {sentence(found)}\n"
    if path is None:
        return comment
    return (
        f"{comment}  - {{name: {path.name}, direction: {path.direction},"
        f" remote: ['{path.remote[0]}'], idle_timeout: {number(path.idle_timeout)}s,"
        f" on_timeout: {path.on_timeout}}}\n"
    )
