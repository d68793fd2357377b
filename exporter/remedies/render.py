"""
The templates of remedies, filled in.
"""

import jinja2

from exporter.model import Path, Platform, Recommended

TARGETS = {
    "sysctl": Platform.LINUX,
    "windows-reg": Platform.WINDOWS,
    "powershell": Platform.WINDOWS,
    "kubernetes": Platform.LINUX,
    "compose": Platform.LINUX,
    "ansible": Platform.LINUX,
    "cloud-init": Platform.LINUX,
}
"""Each has the template of its name, and sets what one operating system reads."""

_SYSCTLS = {
    "net.ipv4.tcp_keepalive_time": 7200,
    "net.ipv4.tcp_keepalive_intvl": 75,
    "net.ipv4.tcp_keepalive_probes": 9,
}
"""With Linux' defaults."""


def remedy(target: str, values: Recommended, paths: tuple[Path, ...], check: str) -> str:
    """
    The text for one of TARGETS, in ASCII and with its operating system's line ends.

    values are whole seconds; paths are those that they protect; check is the command that verifies.
    """
    platform = TARGETS[target]
    facts: dict[str, object] = {
        "command": f"tcp-keepalive-exporter fix --for {target} {flags(values, platform)}",
        "check": check,
        "time": int(values.time),
        "interval": int(values.interval),
        "probes": values.probes,
        "detection": int(values.time + values.interval * values.probes),
        "paths": paths,
        "sysctl_file": "/etc/sysctl.d/99-tcp-keepalive.conf",
        "sysctl_names": list(_SYSCTLS),
        "sysctl_defaults": " ".join(f"{name}={default}" for name, default in _SYSCTLS.items()),
        "registry_key": r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters",
    }
    environment = _environment()
    for part in ("about", "sysctls"):
        facts[part] = environment.get_template(f"{part}.j2").render(facts)
    text = environment.get_template(f"{target}.j2").render(facts) + "\n"
    return text.replace("\n", "\r\n") if platform is Platform.WINDOWS else text


def flags(values: Recommended, platform: Platform) -> str:
    """
    The flags of `fix` that ask for the values.
    """
    times = f"--time {values.time:g}s --interval {values.interval:g}s"
    return times if platform is Platform.WINDOWS else f"{times} --probes {values.probes}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701  none of this is HTML
        loader=jinja2.PackageLoader("exporter.remedies"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["comment"] = _comment
    return environment


def _comment(text: str, mark: str) -> str:
    return "\n".join(f"{mark} {line}".rstrip() for line in text.splitlines())
