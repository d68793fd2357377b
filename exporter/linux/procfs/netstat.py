"""
TCP counters of the calling thread's network namespace, from /proc/net.
"""

from pathlib import Path

from exporter.model import CollectorError, Counters

_NET = Path("/proc/thread-self/net")  # /proc/self/net would be the main thread's namespace


def read_counters(net: Path = _NET) -> Counters:
    """
    Keepalive probes sent, connections aborted on timeout, TIME_WAIT sockets. Raises CollectorError.
    """
    extended = _pairs(net / "netstat", "TcpExt:")
    sockets = _pairs(net / "sockstat", "TCP:")
    try:
        return Counters(
            probes_sent=extended["TCPKeepAlive"],
            timeout_aborts=extended["TCPAbortOnTimeout"],
            time_wait=sockets["tw"],
        )
    except KeyError as error:
        raise CollectorError(f"{net} has no counter {error}") from error


def _pairs(file: Path, prefix: str) -> dict[str, int]:
    """
    The numbers by name: on one line with their names, or on the line after them.
    """
    try:
        lines = [line.split()[1:] for line in file.read_text().splitlines() if _is(line, prefix)]
    except OSError as error:
        raise CollectorError(f"cannot read {file}: {error.strerror}") from error
    if len(lines) == 1:
        names, values = lines[0][::2], lines[0][1::2]
    elif len(lines) == 2:
        names, values = lines
    else:
        raise CollectorError(f"{file} has no lines starting with {prefix}")
    return {name: int(value) for name, value in zip(names, values, strict=True)}


def _is(line: str, prefix: str) -> bool:
    return line.split(maxsplit=1)[:1] == [prefix]
