"""
Listen addresses and errors on startup.
"""

import socket

import pytest

from tests.exporter_process import AS_NOBODY, exporter_process, fetch, run_exporter
from tests.lab import Host, requires_lab

pytestmark = pytest.mark.system


@requires_lab
def test_several_addresses() -> None:
    """
    The exporter listens on every address, including IPv6, and logs the actual ports.
    """
    flags = ["--web.listen-address=127.0.0.1:0", "--web.listen-address=[::1]:0"]
    # A lab host always has IPv6.
    with Host() as host, exporter_process(*flags, addresses=2, start=host.start) as exporter:
        v4, v6 = exporter.addresses
        assert v4.startswith("127.0.0.1:")
        assert v6.startswith("[::1]:")
        for address in (v4, v6):
            assert host.call(fetch, f"http://{address}/-/healthy")[0] == 200


def test_other_telemetry_path() -> None:
    """
    Metrics and the link on the landing page follow --web.telemetry-path.
    """
    with exporter_process("--web.telemetry-path=/probe/metrics") as exporter:
        assert "tcp_keepalive_exporter_build_info" in exporter.get("/probe/metrics")[1]
        assert 'href="/probe/metrics"' in exporter.get("/")[1]
        assert exporter.get("/metrics")[0] == 404
        assert exporter.log[1].endswith("path=/probe/metrics")


def test_port_in_use() -> None:
    """
    A port in use ends the exporter with exit code 1 and the reason, even if another address is
    free.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run_exporter("--web.listen-address=127.0.0.1:0", f"--web.listen-address={address}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].partition(" ")[2] == (
        'level=error msg="startup failed"'
        f' error="cannot listen on {address}: address already in use"'
    )


def test_no_such_host() -> None:
    """
    An invalid host name ends it likewise.
    """
    ended = run_exporter("--web.listen-address=exporter..example:10240")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert 'level=error msg="startup failed" error="cannot listen on exporter..' in ended.stderr
    assert "'exporter..example'" in ended.stderr


@requires_lab
def test_no_permission() -> None:
    """
    A privileged port ends the exporter with exit code 1 and the reason.
    """
    with Host() as host:  # low ports are privileged there, whatever the test machine has set
        ended = host.call(run_exporter, "--web.listen-address=127.0.0.1:80", command=AS_NOBODY)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith('error="cannot listen on 127.0.0.1:80: permission denied"\n')
