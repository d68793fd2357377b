"""
Notes about missing or unreadable data.
"""

from dataclasses import replace

from exporter.collectors.namespace_visits import NamespaceProblem
from exporter.connections.format import protection
from exporter.connections.listing import notes
from tests.connections.examples import EXAMPLES, connection, look

INEXACT = replace(EXAMPLES[5].keepalive, exact=False, interval=None, probes=None, user_timeout=None)


def test_nothing_to_say() -> None:
    """A later listing with complete data has no notes."""
    assert notes(look(*EXAMPLES)) == []


def test_presumed() -> None:
    """Where probes from peers have not been excluded, the row and a note say so."""
    presumed = connection(presumed=True)
    assert protection(presumed) == "none?"
    assert protection(connection()) == "none"
    (note,) = notes(look(*EXAMPLES, presumed))
    assert note.startswith("Protection none? and late? may be peer")


def test_without_rights() -> None:
    """Unreadable processes and options are counted. The notes name the required capabilities."""
    rows = (
        *EXAMPLES,
        connection(keepalive=INEXACT),
        connection(process=None, keepalive=INEXACT),
    )
    bounds, processes, options = notes(look(*rows))
    assert ">=" in bounds
    assert "process" in processes
    assert "options" in options
    assert all(" 1 of the 8 connections shown" in note for note in (processes, options))
    assert "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH" in processes
    assert "CAP_SYS_PTRACE" in options


def test_unread_namespaces() -> None:
    """Unread network namespaces are counted, with the reason and an example."""
    unread = {
        "CAP_SYS_ADMIN is lacking": NamespaceProblem(names={"web", "db"}),
        "there are more than 512": NamespaceProblem(untried=7),
    }
    named, untried = notes(look(*EXAMPLES, unread=unread))
    assert named.startswith("2 network namespaces ")
    assert named.endswith("db): CAP_SYS_ADMIN is lacking.")
    assert untried.startswith("7 network namespaces ")
    assert untried.endswith(": there are more than 512.")


def test_without_workloads() -> None:
    """A note has the reason why workloads have no names."""
    (note,) = notes(look(*EXAMPLES, unnamed="workloads cannot be named: no cgroups"))
    assert note == "Workloads cannot be named: no cgroups."
