"""
All connections of the network namespaces that the configuration names: read, judged, sifted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from exporter.analysis.history import History, Recorder
from exporter.analysis.judged import judge_table
from exporter.collectors.namespace_visits import Problem, Tour
from exporter.collectors.reader import whole
from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.connections.selection import Selection
from exporter.linux import NamespaceSockets, read_sockets
from exporter.model import Found, Namespace
from exporter.paths.addresses import of_one_alone
from exporter.settings import read_settings

Histories = dict[Namespace, History]


@dataclass(frozen=True, slots=True)
class Survey:
    """
    What was sifted out; what is known now of each namespace's connections; the namespaces'
    keepalive times by their labels; and why some could not be read.
    """

    selection: Selection
    histories: Histories
    times: dict[str, float | None]
    problems: dict[str, Problem]


def survey(
    selection: Selection, config: Config, memory: Memory, find: Callable[[], Found]
) -> Survey:
    """
    Read the namespaces found. memory is of earlier looks or samples and stays as it is.

    Raises CollectorError where the own namespace cannot be read, StrandedError if the calling
    thread must read no more.
    """
    tour = Tour(find())
    found: dict[Namespace, NamespaceSockets] = {}
    times = {}
    for namespace in tour.found.namespaces:
        if seen := tour.inside(namespace, _look_around):
            found[namespace], times[namespace.name] = seen
    neighbours = of_one_alone(each.surroundings.own_addresses for each in found.values())
    histories: Histories = {}
    for namespace, alone in found.items():
        surroundings = replace(alone.surroundings, neighbours=neighbours)
        sockets = replace(alone, surroundings=surroundings)
        past = memory.history_of(namespace)
        read = partial(_read, selection, namespace, sockets, past, config)
        if result := tour.inside(namespace, partial(whole, read)):
            selection, histories[namespace] = result
    return Survey(selection, histories, times, tour.problems)


def _look_around() -> tuple[NamespaceSockets, float | None]:
    return whole(read_sockets), read_settings().time


def _read(
    before: Selection,
    namespace: Namespace,
    sockets: NamespaceSockets,
    past: History,
    config: Config,
) -> tuple[Selection, History]:
    """
    What was sifted out before, which stays as it is, with the connections of this namespace.
    """
    selection, recorder = before.copy(), Recorder(past)
    for table in sockets.tables:
        selection.add(
            namespace.name,
            judge_table(
                table, recorder, config.paths, sockets.surroundings, config.near_limit_ratio
            ),
        )
    return selection, recorder.finish(time.monotonic(), None)
