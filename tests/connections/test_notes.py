"""
What is said of what could not be seen.
"""

from dataclasses import replace

from exporter.collectors.namespace_visits import Problem
from exporter.connections.notes import notes
from tests.connections.examples import EXAMPLES, connection, look

INEXACT = replace(EXAMPLES[5].keepalive, exact=False, interval=None, probes=None, user_timeout=None)


def test_nothing_to_say() -> None:
    """A later look that could see everything."""
    assert notes(look(*EXAMPLES)) == []


def test_first_look() -> None:
    """The first look knows nothing of the peers."""
    (note,) = notes(look(*EXAMPLES, first=True))
    assert note.startswith("This was the first look. The peers' probes have not been seen")


def test_without_rights() -> None:
    """Processes and options that could not be read are counted, and it is said what that takes."""
    rows = (
        *EXAMPLES,
        connection(keepalive=INEXACT),
        connection(process=None, keepalive=INEXACT),
    )
    least, processes, options = notes(look(*rows))
    assert least.startswith("Keepalive times with >= are the least that they can be")
    assert processes.startswith("The process is not known of 1 of the 8 connections shown")
    assert options.startswith("The socket's options could not be read of 1 of the 8 connections")
    assert "CAP_SYS_PTRACE" in processes
    assert "CAP_SYS_PTRACE" in options


def test_unread_namespaces() -> None:
    """Which network namespaces are missing, and why."""
    unread = {
        "CAP_SYS_ADMIN is lacking": Problem(names={"web", "db"}),
        "there are more than 512": Problem(untried=7),
    }
    assert notes(look(*EXAMPLES, unread=unread)) == [
        "2 network namespaces could not be read (db among them): CAP_SYS_ADMIN is lacking.",
        "7 network namespaces could not be read: there are more than 512.",
    ]


def test_without_workloads() -> None:
    """Why workloads have no names."""
    (note,) = notes(look(*EXAMPLES, unnamed="workloads cannot be named: no cgroups"))
    assert note == "Workloads cannot be named: no cgroups."
