"""
How settings are put right, in the words of the platform and the namespace.
"""

import math

from exporter.analysis.coverage import Cover, cover
from exporter.analysis.findings.rule_context import Facts
from exporter.model import Platform, Recommended

_FIX = "`tcp-keepalive-exporter fix --for"
_RECOMMENDED = Recommended()
_IDLE_TIMEOUT = 240.0
"""Azure's, which the recommended values are made for."""


def apply_recommended(facts: Facts) -> str:
    """
    How to give the namespace the recommended settings.
    """
    first = "Correct the recommended values first (KA011). " if facts.badly_recommended() else ""
    return first + _how(facts)


def _how(facts: Facts) -> str:
    match facts.settings.platform:
        case Platform.WINDOWS:
            return (
                f"{_FIX} windows-reg` prints the registry file, in milliseconds. Import it and"
                " restart the host."
            )
        case Platform.MACOS:
            return "Set the recommended values with sysctl, and again after each start of the host."
    if facts.is_host:
        return (
            f"{_FIX} sysctl` prints what to apply. Then restart the services whose connections are"
            " open: those keep their timers."
        )
    return (
        "A namespace does not inherit the host's settings. For a pod use"
        f" {_FIX} kubernetes`, for a container {_FIX} compose`."
    )


def better_recommended(facts: Facts) -> Recommended | None:
    """
    Values in proportion to the shortest timeout, as the recommended ones are to Azure's.

    There are none for a timeout of so few seconds that whole seconds cannot divide it.
    """
    shortest = min(path.idle_timeout for path in facts.paths)
    better = Recommended(
        time=math.floor(shortest * _RECOMMENDED.time / _IDLE_TIMEOUT),
        interval=max(1, math.floor(shortest * _RECOMMENDED.interval / _IDLE_TIMEOUT)),
    )
    good = better.time > 0 and cover(facts.having(better), shortest) is Cover.PROTECTED
    return better if good else None
