"""
How to correct settings on each platform and in each kind of namespace.
"""

import math

from exporter.analysis.coverage import Coverage, coverage
from exporter.analysis.findings.rule_context import RuleContext
from exporter.model import Platform, Recommended

_FIX = "`tcp-keepalive-exporter fix --for"
_RECOMMENDED = Recommended()
_IDLE_TIMEOUT = 240.0
"""Azure's, in seconds; the default recommended values are made for it."""


def apply_recommended(context: RuleContext) -> str:
    """
    How to apply the recommended settings in the namespace.
    """
    first = "Correct the recommended values first (KA011). " if context.badly_recommended() else ""
    return first + _how(context)


def _how(context: RuleContext) -> str:
    match context.settings.platform:
        case Platform.WINDOWS:
            return (
                f"{_FIX} windows-reg` prints a registry file with values in milliseconds. Import it"
                " and restart the host."
            )
        case Platform.MACOS:
            return "Set the recommended values with sysctl, and repeat this after each boot."
    if context.is_host:
        return (
            f"{_FIX} sysctl` prints the settings to apply. Then restart the services that have open"
            " connections, because open connections keep their timers."
        )
    return (
        "A namespace does not inherit the host's settings. For a pod, use"
        f" {_FIX} kubernetes`; for a container, {_FIX} compose`."
    )


def better_recommended(context: RuleContext) -> Recommended | None:
    """
    Values in the same proportion to the shortest timeout as the default ones are to Azure's.

    None if the timeout is too short for values in whole seconds.
    """
    shortest = min(path.idle_timeout for path in context.paths)
    better = Recommended(
        time=math.floor(shortest * _RECOMMENDED.time / _IDLE_TIMEOUT),
        interval=max(1, math.floor(shortest * _RECOMMENDED.interval / _IDLE_TIMEOUT)),
    )
    good = better.time > 0 and coverage(context.with_values(better), shortest) is Coverage.PROTECTED
    return better if good else None
