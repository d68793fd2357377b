"""
What to change in a client, as text: for `fix --for CLIENT` and docs/cures.md.
"""

import math
import textwrap
from collections.abc import Iterator

from exporter.model import Path, Recommended
from exporter.remedies.clients import ClientDefault, KnownClient
from exporter.remedies.values import Cause, fill
from exporter.text.wording import seconds

_WIDTH = 98
"""Columns, without the mark of the comment."""
_CAUSES = {
    Cause.NO_KEEPALIVE: "keepalive is off",
    Cause.SYSTEM_TIMES: "the times of the network namespace are too long",
    Cause.OWN_TIMES: "the times of the application are too long",
    Cause.FRAGILE: "a short outage ends connections",
}


def client_remedy(client: KnownClient, values: Recommended, paths: tuple[Path, ...]) -> str:
    """
    The client's defaults and what to change, in ASCII. values are in whole seconds; they are
    sufficient for the paths.
    """
    shortest = min((path.idle_timeout for path in paths), default=math.inf)
    settings = f"time {values.time:g} s, interval {values.interval:g} s, {values.probes} probes"
    blocks = [
        [f"Keepalive of {client.name}: {settings}"],
        ["Default:", *(f"  {default_text(each)}" for each in client.defaults)],
        *_changes(fixes(client, values, shortest)),
        [fill(client.note, values)] if client.note else [],
        ["Open connections are not changed: restart the service, or reopen them."],
        [
            f"{'Sources' if len(client.sources) > 1 else 'Source'}:",
            *map("  {}".format, client.sources),
        ],
    ]
    lines = "\n\n".join("\n".join(map(_wrapped, block)) for block in blocks if block).split("\n")
    comments = "\n".join(f"# {line}".rstrip() for line in lines)
    return f"{comments}\n" + (f"\n{fill(client.example, values)}" if client.example else "")


def _changes(found: dict[str, list[Cause]]) -> Iterator[list[str]]:
    if len(found) == 1:
        yield ["Change:", *(f"  {fix}" for fix in found)]
        return
    for fix, causes in found.items():
        yield [f"If {', or if '.join(_CAUSES[cause] for cause in causes)}:", f"  {fix}"]


def _wrapped(line: str) -> str:
    indent = "  " if line.startswith("  ") else ""
    return textwrap.fill(
        line.strip(),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def fixes(client: KnownClient, values: Recommended, idle_timeout: float) -> dict[str, list[Cause]]:
    """
    What to change, with the causes that it cures.
    """
    found: dict[str, list[Cause]] = {}
    for cause in Cause:
        if fix := client.fix(cause, values, idle_timeout):
            found.setdefault(fix, []).append(cause)
    return found


def default_text(default: ClientDefault) -> str:
    """
    For example: since 9.22: 30 s, then 3 x 5 s; on with the times of the sysctls; off.
    """
    versions = f"{default.versions}: " if default.versions else ""
    return versions + ", ".join(_default_parts(default))


def _default_parts(default: ClientDefault) -> Iterator[str]:
    if default.keepalive is False:
        yield "off"
    elif default.keepalive:
        yield "on, " + (_times(default) or "with the times of the sysctls")
    if default.user_timeout:
        yield f"TCP_USER_TIMEOUT {seconds(default.user_timeout)}"
    if default.says:
        yield default.says


def _times(default: ClientDefault) -> str:
    words = []
    if default.time:
        words.append(f"after {default.time} s")
    if default.interval:
        words.append(f"then every {default.interval} s")
    if default.probes:
        words.append(f"{default.probes} times")
    return ", ".join(words)
