"""
Counts of connections by workload, and the choice of workloads.
"""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.verdicts import Verdicts
from exporter.analysis.workloads import CgroupCounter, Count, TopWorkloads, by_workload
from exporter.model import (
    AT_RISK_IDLE_STATES,
    HANGING_IDLE_STATES,
    OTHER_WORKLOADS,
    IdleState,
    Protection,
    WorkloadSums,
)

SAMPLES_PER_HOUR = 240


def counted(
    *tables: list[tuple[int, IdleState]], expected: tuple[int, ...] = ()
) -> dict[int, Count]:
    """
    The counts of tables; connections are pairs of cgroup and idle state, without protection.
    """
    counter = CgroupCounter(expected)
    for table in tables:
        idle_state = np.array([state for _, state in table], np.int8)
        protection = np.full(len(table), Protection.NONE, np.int8)
        verdicts = Verdicts(protection, idle_state, protection)
        counter.add(np.array([cgroup for cgroup, _ in table], np.uint64), verdicts)
    return counter.counts()


def test_counter() -> None:
    """Connections are counted by cgroup, including 0, in any order."""
    safe, at_risk, hangs = IdleState.ACTIVE, IdleState.NEAR_LIMIT, IdleState.UNANSWERED
    tables: tuple[list[tuple[int, IdleState]], ...] = (
        [(7, at_risk), (2**32 - 1, safe), (7, safe)],
        [],
        [(0, at_risk), (7, hangs), (5, hangs)],
    )
    expected = {
        0: Count(1, 1),
        5: Count(1, 0, 1),
        7: Count(3, 1, 1),
        2**32 - 1: Count(1),
    }
    assert counted(*tables) == expected
    assert counted(*tables, expected=(7, 9)) == expected
    assert counted() == {}


CGROUPS = st.integers(0, 2**32 - 1) | st.sampled_from([1, 1 + 2**16, 1 + 2**17, 2, 2 + 2**16])


@given(
    st.lists(st.lists(st.tuples(CGROUPS, st.sampled_from(IdleState)), max_size=20)),
    st.frozensets(CGROUPS, max_size=5),
)
def test_counter_counts_all(tables: list[list[tuple[int, IdleState]]], expected: set[int]) -> None:
    """For any tables, the counts equal those of counting one by one."""
    rows = [row for table in tables for row in table]
    assert counted(*tables, expected=tuple(expected)) == {
        cgroup: Count(
            sum(each == cgroup for each, _ in rows),
            sum(each == cgroup and state in AT_RISK_IDLE_STATES for each, state in rows),
            sum(each == cgroup and state in HANGING_IDLE_STATES for each, state in rows),
        )
        for cgroup in {cgroup for cgroup, _ in rows}
    }


def test_cgroups_of_one_workload() -> None:
    """A workload's cgroups are counted together."""
    names = {1: "pod", 2: "pod", 3: "a.service", 4: "unused"}
    counts = {1: Count(3, 1, 1), 2: Count(2, 2), 3: Count(1, 0)}
    assert by_workload(counts, names) == {"pod": Count(5, 3, 1), "a.service": Count(1, 0)}


def crowd(first: int, number: int, connections: int = 1) -> dict[str, Count]:
    """
    A number of workloads with this many connections each.
    """
    return {f"job-{job}.scope": Count(connections) for job in range(first, first + number)}


def test_room_for_all() -> None:
    """While there is room, every workload is added immediately."""
    top = TopWorkloads(3)
    assert top.choose({"a": Count(5, 2), "b": Count(1, 0)}) == {
        "a": WorkloadSums(5, 2, None),
        "b": WorkloadSums(1, None, None),
        OTHER_WORKLOADS: WorkloadSums(0, 0, 0),
    }
    assert set(top.choose({"a": Count(5, 2), "b": Count(1, 0), "c": Count(1, 0)})) == {
        "a",
        "b",
        "c",
        "(other)",
    }


def test_more_than_there_is_room_for() -> None:
    """The heaviest are chosen, those with a connection at risk first; the rest is summed."""
    sums = TopWorkloads(2).choose(
        {"a": Count(5, 0), "b": Count(100, 0), "c": Count(3, 1), "d": Count(7, 0)}
    )
    assert sums == {
        "b": WorkloadSums(100, None, None),
        "c": WorkloadSums(3, 1, None),
        OTHER_WORKLOADS: WorkloadSums(12, 0, 0),
    }


def test_no_room() -> None:
    """With max: 0, there is a single sum."""
    assert TopWorkloads(0).choose({"a": Count(5, 2), "b": Count(1, 1)}) == {
        OTHER_WORKLOADS: WorkloadSums(6, 3, 0)
    }


def test_fewer_than_before() -> None:
    """If the maximum decreases, as after a reload, the lightest are removed immediately."""
    top = TopWorkloads(4)
    counts = {"a": Count(5, 0), "b": Count(100, 0), "c": Count(3, 1), "d": Count(7, 0)}
    top.choose(counts)
    top.most = 2
    assert set(top.choose(counts)) == {"b", "c", OTHER_WORKLOADS}
    assert set(top.choose({})) == {"b", "c", OTHER_WORKLOADS}


def test_risk_is_remembered() -> None:
    """A workload that had connections at risk, or hanging, is then exported with 0."""
    top = TopWorkloads(2)
    assert top.choose({"a": Count(5, 0)})["a"].at_risk is None
    assert top.choose({"a": Count(5, 2)})["a"].at_risk == 2
    assert top.choose({"a": Count(5, 0)})["a"].at_risk == 0
    assert top.choose({"a": Count(5, 0)})["a"].stalled is None
    assert top.choose({"a": Count(5, 0, 1)})["a"].stalled == 1
    assert top.choose({"a": Count(5, 0)})["a"].stalled == 0


def test_nearly_alike() -> None:
    """Two workloads of similar weight do not replace each other."""
    top = TopWorkloads(1)
    chosen = [set(top.choose({"a": Count(10 + n % 3), "b": Count(11 - n % 3)})) for n in range(50)]
    assert chosen == [chosen[0]] * 50


def test_a_much_heavier_one() -> None:
    """A workload twice as heavy replaces the lightest one."""
    top = TopWorkloads(2)
    top.choose({"a": Count(10, 0), "b": Count(20, 0)})
    assert set(top.choose({"a": Count(10, 0), "b": Count(20, 0), "c": Count(19, 0)})) == {
        "a",
        "b",
        "(other)",
    }
    assert set(top.choose({"a": Count(10, 0), "b": Count(20, 0), "c": Count(20, 0)})) == {
        "b",
        "c",
        "(other)",
    }


def test_names_do_not_matter() -> None:
    """The heaviest are chosen, and the lightest replaced, whatever the order of their names."""
    top = TopWorkloads(2)
    assert set(top.choose({"a": Count(6, 0), "b": Count(20, 0), "c": Count(10, 0)})) == {
        "b",
        "c",
        "(other)",
    }
    assert set(top.choose({"b": Count(20, 0), "c": Count(10, 0), "a": Count(30, 0)})) == {
        "a",
        "b",
        "(other)",
    }


def test_a_pause() -> None:
    """A workload without connections is exported with 0 for some time, then removed."""
    top = TopWorkloads(2)
    top.choose({"a": Count(10, 0)})
    assert top.choose({})["a"] == WorkloadSums(0, None, None)
    removed = next(number for number in range(1000) if "a" not in top.choose({}))
    assert 10 < removed < SAMPLES_PER_HOUR


def test_short_lived_ones_come_and_go() -> None:
    """Thousands of short-lived workloads do not replace lasting ones, nor change quickly."""
    top = TopWorkloads(20)
    services = {f"{number}.service": Count(2 + number) for number in range(10)}
    named: list[set[str]] = []
    for sample in range(SAMPLES_PER_HOUR):
        counts = services | crowd(100 * sample, 100)
        sums = top.choose(counts)
        assert sum(each.connections for each in sums.values()) == sum(
            count.connections for count in counts.values()
        )
        assert services.keys() <= sums.keys()
        assert len(sums) <= 21
        named.append(set(sums))
    changes = sum(len(after - before) for before, after in pairwise(named))
    assert changes < SAMPLES_PER_HOUR


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdefgh"),
            st.builds(
                lambda safe, at_risk, stalled: Count(
                    safe + at_risk + stalled + 1, at_risk, stalled
                ),
                st.integers(0, 5000),
                st.integers(0, 5),
                st.integers(0, 5),
            ),
        ),
        max_size=12,
    ),
    st.integers(0, 5),
)
def test_sums_reconcile(samples: list[dict[str, Count]], most: int) -> None:
    """For any samples, everything is counted once, and the number of names is bounded."""
    top = TopWorkloads(most)
    for counts in samples:
        sums = top.choose(counts)
        assert len(sums) <= most + 1
        assert list(sums)[-1] == OTHER_WORKLOADS
        for index in range(3):
            total = sum(
                (each.connections, each.at_risk or 0, each.stalled or 0)[index]
                for each in sums.values()
            )
            assert total == sum(count[index] for count in counts.values())
