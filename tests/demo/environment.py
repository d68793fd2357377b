"""
The demo's hosts, and everything that runs on them.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server
from threading import Thread

from tests.cgroups import cgroup_tree, start_in, writable
from tests.demo.monitoring import Monitoring, monitoring
from tests.demo.scenario import (
    ABSENT,
    ANSWER_AFTER,
    CLOUD,
    CONFIG,
    IDLE_TIMEOUT,
    MACHINES,
    PARTNER,
    SETTINGS,
    SLOW,
    SPEEDUP,
    Application,
    Machine,
)
from tests.exporter_process import ROOT, exporter_process
from tests.lab import Host, nat_labs
from tests.lab.traffic import Socket

PORT = 443
_EXPORTER_PORT = 10240


@dataclass(frozen=True, slots=True)
class Environment:
    """
    The running demo: hosts by name, the NAT, and the monitoring.
    """

    hosts: dict[str, Host]
    nat: Host
    monitoring: Monitoring


@contextmanager
def environment(directory: Path) -> Iterator[Environment]:
    """
    Create the hosts and start everything, with the files in directory.
    """
    names = [machine.name for machine in MACHINES]
    config = directory / "exporter.yml"
    config.write_text(CONFIG)
    with ExitStack() as stack:
        tree = stack.enter_context(cgroup_tree()) if writable() else None
        labs = stack.enter_context(nat_labs(*names, "monitor", idle_timeout=IDLE_TIMEOUT))
        hosts = {name: lab.client for name, lab in zip(names, labs, strict=False)}
        answer(labs[0].server)
        for machine in MACHINES:
            prepare(hosts[machine.name], machine)
            stack.enter_context(
                exporter_process(
                    f"--config.file={config}",
                    f"--web.listen-address=:{_EXPORTER_PORT}",
                    command=[str(Path(sys.executable).with_name("tcp-keepalive-exporter"))],
                    start=hosts[machine.name].start,
                )
            )
        targets = {name: f"{host.address}:{_EXPORTER_PORT}" for name, host in hosts.items()}
        targets[ABSENT] = f"{labs[-1].client.address}:{_EXPORTER_PORT}"
        found = stack.enter_context(
            monitoring(labs[-1].client, directory, targets, speedup=SPEEDUP)
        )
        for machine in MACHINES:
            for app in machine.applications:
                start(app, hosts[machine.name], tree)
        yield Environment(hosts, labs[0].nat, found)


def prepare(host: Host, machine: Machine) -> None:
    """
    Set a host's sysctls.
    """
    # Retransmission gives up after some 12 s instead of 15 minutes.
    host.sysctl("net.ipv4.tcp_retries2", 5)
    if machine.configured:
        host.sysctl("net.ipv4.tcp_keepalive_time", SETTINGS.time)
        host.sysctl("net.ipv4.tcp_keepalive_intvl", SETTINGS.interval)
        host.sysctl("net.ipv4.tcp_keepalive_probes", SETTINGS.probes)


def start(app: Application, host: Host, tree: Path | None) -> None:
    """
    Start an application, in a separate service cgroup where cgroups are writable.
    """
    argv = [sys.executable, "-m", "tests.demo.app", app.name, str(PORT), *app.servers]
    if app.use_every is not None:
        argv += ["--use-every", str(app.use_every)]
    if app.keepalive is not None:
        kept = (app.keepalive.time, app.keepalive.interval, app.keepalive.probes)
        argv += ["--keepalive", *(str(value) for value in kept if value is not None)]
    if tree is None:
        host.start(argv, cwd=ROOT)
    else:
        start_in(tree / f"{app.name}.service", host, argv, cwd=ROOT)


def answer(server: Host) -> None:
    """
    Run echo servers on all addresses of the server.
    """
    added = [*(f"{address}/64" for address in PARTNER[1:]), *(f"{each}/24" for each in SLOW)]
    server.ip("\n".join(f"addr add {address} dev eth0 nodad" for address in added))
    listeners = [
        (server.adopt(server.call(create_server, (address, PORT), family=family)), delay)
        for family, addresses, delay in (
            (AF_INET, CLOUD, 0),
            (AF_INET, SLOW, ANSWER_AFTER),
            (AF_INET6, PARTNER, 0),
        )
        for address in addresses
    ]
    Thread(target=lambda: asyncio.run(_answer(listeners)), daemon=True).start()


async def _answer(listeners: list[tuple[Socket, int]]) -> None:
    servers = [
        await asyncio.start_server(partial(_echo, delay), sock=listener)
        for listener, delay in listeners
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _echo(delay: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        await asyncio.sleep(delay)
        writer.write(data)
    writer.close()
