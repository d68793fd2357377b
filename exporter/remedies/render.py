"""
Renders the templates of remedies.
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
"""The targets with their platforms. Each has a template of the same name."""

_SYSCTLS = {
    "net.ipv4.tcp_keepalive_time": 7200,
    "net.ipv4.tcp_keepalive_intvl": 75,
    "net.ipv4.tcp_keepalive_probes": 9,
}
"""Defaults of Linux."""


def remedy(target: str, values: Recommended, paths: tuple[Path, ...], check: str) -> str:
    """
    The text for one of TARGETS, in ASCII, with the line ends of its platform.

    values are in whole seconds. paths are those that the values protect. check is the command that
    verifies them.
    """
    platform = TARGETS[target]
    context: dict[str, object] = {
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
        context[part] = environment.get_template(f"{part}.j2").render(context)
    text = environment.get_template(f"{target}.j2").render(context) + "\n"
    return text.replace("\n", "\r\n") if platform is Platform.WINDOWS else text


def flags(values: Recommended, platform: Platform) -> str:
    """
    The flags of `fix` for the values.
    """
    times = f"--time {values.time:g}s --interval {values.interval:g}s"
    return times if platform is Platform.WINDOWS else f"{times} --probes {values.probes}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701  not HTML
        loader=jinja2.PackageLoader("exporter.remedies"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["comment"] = _comment
    return environment


def _comment(text: str, mark: str) -> str:
    return "\n".join(f"{mark} {line}".rstrip() for line in text.splitlines())
