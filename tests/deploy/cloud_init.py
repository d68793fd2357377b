"""
The user data of a VM with the recommended settings and the exporter, generated from their sources.
"""

from textwrap import indent

from tests.exporter_process import ROOT, run_exporter

FILE = ROOT / "deploy/azure/cloud-init.yml"

_SYSTEMD = ROOT / "deploy/systemd"
_TEXT = """\
#cloud-config
# A VM with keepalive settings for Azure, and the exporter as a service:
#   az vm create ... --custom-data deploy/azure/cloud-init.yml
package_update: true
packages: [python3-venv]
write_files:
  - path: /etc/sysctl.d/99-tcp-keepalive.conf
    content: |
{sysctls}
  - path: /etc/systemd/system/tcp-keepalive-exporter.service
    content: |
{unit}
  - path: /etc/default/tcp-keepalive-exporter
    content: |
{flags}
runcmd:
  - [sysctl, -p, /etc/sysctl.d/99-tcp-keepalive.conf]
  - [python3, -m, venv, /opt/tcp-keepalive-exporter]
  - [/opt/tcp-keepalive-exporter/bin/pip, install, tcp-keepalive-exporter]
  - [ln, -sf, /opt/tcp-keepalive-exporter/bin/tcp-keepalive-exporter, /usr/bin/]
  - [systemctl, daemon-reload]
  - [systemctl, enable, --now, tcp-keepalive-exporter]
"""


def user_data() -> str:
    """
    The file's content.
    """
    fix = run_exporter("fix", "--for=sysctl").stdout
    sysctls = "\n".join(line for line in fix.splitlines() if line.startswith("net."))
    return _TEXT.format(
        sysctls=_indented(sysctls),
        unit=_indented((_SYSTEMD / "tcp-keepalive-exporter.service").read_text("utf-8")),
        flags=_indented((_SYSTEMD / "tcp-keepalive-exporter.default").read_text("utf-8")),
    )


def _indented(text: str) -> str:
    return indent(text.strip(), " " * 6)
