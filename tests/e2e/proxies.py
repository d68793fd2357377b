"""
nginx and HAProxy from Debian's packages, as processes inside hosts of the lab.
"""

import shutil
import subprocess
from pathlib import Path

from tests.lab import Host, LabError

_NGINX = """
daemon off;
pid {directory}/nginx.pid;
user root;
worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{servers}
}}
"""
_HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
"""


def start_nginx(
    host: Host, directory: Path, listen: dict[int, str], upstream: str = ""
) -> subprocess.Popen[str]:
    """
    Start nginx on these ports; listen has the end of each one's listen directive, and what else its
    server block has. upstream is a block of its own.
    """
    _require("nginx", "nginx-light")
    servers = "\n".join(f"  server {{ listen {port} {words} }}" for port, words in listen.items())
    file = directory / "nginx.conf"
    file.write_text(_NGINX.format(directory=directory, servers=f"{upstream}\n{servers}"))
    log = directory / "nginx.log"
    return host.start(["nginx", "-e", str(log), "-c", str(file)], stderr=subprocess.DEVNULL)


def start_haproxy(host: Host, directory: Path, proxies: dict[str, str]) -> subprocess.Popen[str]:
    """
    Start HAProxy with these proxies, given by name with the lines of their sections.
    """
    _require("haproxy", "haproxy")
    sections = "\n".join(f"listen {name}\n{lines}" for name, lines in proxies.items())
    file = directory / "haproxy.cfg"
    file.write_text(f"{_HAPROXY}{sections}\n")
    return host.start(["haproxy", "-db", "-f", str(file)], stderr=subprocess.DEVNULL)


def _require(command: str, package: str) -> None:
    if shutil.which(command) is None:
        raise LabError(f"needs Debian's package {package}")
