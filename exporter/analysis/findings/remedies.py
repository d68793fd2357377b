"""
How to correct settings on each platform and in each kind of namespace.
"""

import math
import re

from exporter.analysis.coverage import Coverage, coverage
from exporter.analysis.findings.rule_context import RuleContext
from exporter.model import Platform, Recommended

_FIX = "`tcp-keepalive-exporter fix --for"
_HEX = "[0-9a-f]"
_POD = re.compile(
    rf"([^/ ]+/[^/ ]+|{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}|{_HEX}{{32}})(?= |$)"
)
"""The netns label of a pod: namespace/name or its uid. A number may follow a name that is taken."""
_CONTAINER = re.compile(rf"{_HEX}{{12}}(?= |$)")
"""The netns label of a container: its short id."""
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
    if _POD.match(context.netns):
        return (
            "A pod does not inherit the host's settings."
            f" {_FIX} kubernetes` prints the sysctls to add to its specification."
        )
    if _CONTAINER.match(context.netns):
        return (
            "A container does not inherit the host's settings."
            f" {_FIX} compose` prints the sysctls to start it with."
        )
    return (
        "A namespace does not inherit the host's settings. Set them where it is created: for a pod,"
        f" use {_FIX} kubernetes`; for a container, {_FIX} compose`; otherwise,"
        f" {_FIX} sysctl` prints them."
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
