"""
Small hand-written connection tables.
"""

import socket
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exporter.model import AddressArray, ConnectionTable


def connections(*ends: tuple[str, str]) -> ConnectionTable:
    """
    Connections between (local, remote) ends such as 10.0.0.4:5000 or [fd00::1]:443.

    All other columns are zero or unknown.
    """
    local, remote = ([pair[end] for pair in ends] for end in (0, 1))
    unknown, ages = np.full(len(ends), -1), np.full(len(ends), np.nan)
    zeros = np.zeros(len(ends), np.uint64)
    return ConnectionTable(
        read_at=np.zeros(len(ends)),
        cookie=np.arange(1, len(ends) + 1, dtype=np.uint64),
        family=np.array([10 if "[" in end else 2 for end in local], np.uint8),
        state=np.ones(len(ends), np.uint8),
        timer=zeros.astype(np.uint8),
        unanswered=zeros.astype(np.uint8),
        local=_addresses(local),
        remote=_addresses(remote),
        local_port=_ports(local),
        remote_port=_ports(remote),
        expires=np.zeros(len(ends)),
        receive_queue=zeros.astype(np.uint32),
        send_queue=zeros.astype(np.uint32),
        uid=zeros.astype(np.uint32),
        inode=zeros.astype(np.uint32),
        cgroup=zeros,
        retransmits=unknown.astype(np.int16),
        probes=unknown.astype(np.int16),
        backoff=unknown.astype(np.int16),
        unacked=unknown.astype(np.int64),
        busy=ages,
        last_data_sent=ages,
        last_data_received=ages,
        last_ack_received=ages,
        segments_out=unknown.astype(np.int64),
        segments_in=unknown.astype(np.int64),
        bytes_acked=unknown.astype(np.int64),
        bytes_sent=unknown.astype(np.int64),
        bytes_retransmitted=unknown.astype(np.int64),
        mptcp=np.zeros(len(ends), np.bool_),
    )


def _addresses(ends: Sequence[str]) -> AddressArray:
    hosts = [end.rpartition(":")[0].strip("[]") for end in ends]
    raw = b"".join(
        socket.inet_pton(socket.AF_INET6, host if ":" in host else f"::ffff:{host}")
        for host in hosts
    )
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2)


def _ports(ends: Sequence[str]) -> npt.NDArray[np.uint16]:
    return np.array([int(end.rpartition(":")[2]) for end in ends], np.uint16)
