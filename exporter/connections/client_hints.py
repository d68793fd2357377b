"""
Which client probably holds a connection, and what to change in it: a hint, never a verdict.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.connections.advice import HANGING, Advice, why_unprotected
from exporter.model import (
    Path,
    Protection,
    Recommended,
)
from exporter.remedies.recognition import ClientRecogniser, ClientTraits
from exporter.remedies.values import Cause, sysctls, values_for

if TYPE_CHECKING:  # not at the start of the exporter
    from exporter.remedies.clients import KnownClient

_CAUSES = {
    Advice.NO_KEEPALIVE: Cause.NO_KEEPALIVE,
    Advice.OWN_TIME_LATE: Cause.OWN_TIMES,
    Advice.SETTING_LATE: Cause.SYSTEM_TIMES,
    Advice.INTERVAL_LATE: Cause.OWN_TIMES,
    Advice.LATE: Cause.OWN_TIMES,
    Advice.FRAGILE: Cause.FRAGILE,
}

_Facts = tuple[ClientTraits, Advice | None, Protection, Path | None, float | None]


@dataclass(frozen=True, slots=True)
class ClientHint:
    """
    The client of a connection, as far as it can be recognised, and its fix.

    certain: the process is the client's own program; otherwise the client is a guess, and
    default_of has the clients whose defaults are the connection's unusual keepalive times. fix is
    what to change, or what would have prevented the hang of a connection that hangs; None if
    nothing.
    """

    client: "KnownClient | None" = None
    certain: bool = False
    default_of: tuple[str, ...] = ()
    fix: str | None = None


class ClientHints:
    """
    Makes the hints of one listing. Many of its connections are alike, which are matched once.
    """

    def __init__(self, recommended: Recommended) -> None:
        from exporter.remedies.clients import known_clients  # noqa: PLC0415  takes 0.05 s

        self._recommended = recommended
        self._recogniser = ClientRecogniser(known_clients())
        self._hints: dict[_Facts, ClientHint] = {}

    def hint(
        self,
        *,
        traits: ClientTraits,
        advice: Advice | None,
        protection: Protection,
        path: Path | None,
        setting: float | None,
    ) -> ClientHint:
        """
        The hint for a connection with this advice; setting is the keepalive time in seconds of its
        network namespace, None if unknown.
        """
        facts = traits, advice, protection, path, setting
        hint = self._hints.get(facts)
        if hint is None:
            hint = self._hints[facts] = self._make(*facts)
        return hint

    def _make(
        self,
        traits: ClientTraits,
        advice: Advice | None,
        protection: Protection,
        path: Path | None,
        setting: float | None,
    ) -> ClientHint:
        options = traits.options
        found = self._recogniser.recognise(traits)
        client = found.client if found else None
        hangs = advice in HANGING
        if hangs:
            advice = why_unprotected(protection, options, path, setting)
        fix = None
        if cause := _CAUSES.get(advice) if advice else None:
            timeout = path.idle_timeout if path else math.inf
            values = values_for(self._recommended, timeout)
            fix = client.fix(cause, values, timeout) if client else None
            if fix is None and hangs:
                fix = _generic_fix(cause, values, timeout)
        default_of: tuple[str, ...] = ()
        certain = found.certain if found else False
        if options and options.keepalive and options.time != setting and not certain:
            default_of = tuple(self._recogniser.defaults_like(options))
        return ClientHint(client, certain, default_of, fix)


def _generic_fix(cause: Cause, values: Recommended, idle_timeout: float) -> str:
    if cause is Cause.NO_KEEPALIVE:
        return f"enable SO_KEEPALIVE with a time of {values.time:g} s"
    if cause is Cause.SYSTEM_TIMES:
        return f"set {sysctls(values, idle_timeout)}"
    return f"set TCP_KEEPIDLE to {values.time:g} s"
