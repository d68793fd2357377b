"""
Connections counted by workload, and the workloads that are named.
"""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.workloads import (
    CgroupCounter,
    Count,
    TopWorkloads,
    by_workload,
)
from exporter.model import OTHER_WORKLOADS, WorkloadSums

SAMPLES_PER_HOUR = 240


def counted(*tables: list[tuple[int, bool]], expected: tuple[int, ...] = ()) -> dict[int, Count]:
    """
    The counts of tables, whose connections are given by cgroup and whether they are at risk.
    """
    counter = CgroupCounter(expected)
    for table in tables:
        cgroups = np.array([cgroup for cgroup, _ in table], np.uint64)
        counter.add(cgroups, np.array([at_risk for _, at_risk in table], np.bool_))
    return counter.counts()


def test_counter() -> None:
    """Every connection counts for its cgroup, in whatever order they come; 0 is one too."""
    first = [(7, True), (2**32 - 1, False), (7, False)]
    tables: tuple[list[tuple[int, bool]], ...] = first, [], [(0, True), (7, False), (5, True)]
    expected = {0: (1, 1), 5: (1, 1), 7: (3, 1), 2**32 - 1: (1, 0)}
    assert counted(*tables) == expected
    assert counted(*tables, expected=(7, 9)) == expected
    assert counted() == {}


CGROUPS = st.integers(0, 2**32 - 1) | st.sampled_from([1, 1 + 2**16, 1 + 2**17, 2, 2 + 2**16])


@given(
    st.lists(st.lists(st.tuples(CGROUPS, st.booleans()), max_size=20)),
    st.frozensets(CGROUPS, max_size=5),
)
def test_counter_counts_all(tables: list[list[tuple[int, bool]]], expected: set[int]) -> None:
    """Whatever comes, the counts are those of counting one by one."""
    rows = [row for table in tables for row in table]
    assert counted(*tables, expected=tuple(expected)) == {
        cgroup: (
            sum(each == cgroup for each, _ in rows),
            sum(each == cgroup and at_risk for each, at_risk in rows),
        )
        for cgroup in {cgroup for cgroup, _ in rows}
    }


def test_cgroups_of_one_workload() -> None:
    """A workload's cgroups are counted together."""
    names = {1: "pod", 2: "pod", 3: "a.service", 4: "unused"}
    counts = {1: (3, 1), 2: (2, 2), 3: (1, 0)}
    assert by_workload(counts, names) == {"pod": (5, 3), "a.service": (1, 0)}


def crowd(first: int, number: int, connections: int = 1) -> dict[str, Count]:
    """
    So many workloads with so many connections each.
    """
    return {f"job-{job}.scope": (connections, 0) for job in range(first, first + number)}


def test_room_for_all() -> None:
    """While there is room every workload is named at once."""
    top = TopWorkloads(3)
    assert top.choose({"a": (5, 2), "b": (1, 0)}) == {
        "a": WorkloadSums(5, 2),
        "b": WorkloadSums(1, None),
        OTHER_WORKLOADS: WorkloadSums(0, 0),
    }
    assert set(top.choose({"a": (5, 2), "b": (1, 0), "c": (1, 0)})) == {"a", "b", "c", "(other)"}


def test_more_than_there_is_room_for() -> None:
    """The heaviest are named, those with any connection at risk first; the rest is summed."""
    sums = TopWorkloads(2).choose({"a": (5, 0), "b": (100, 0), "c": (3, 1), "d": (7, 0)})
    assert sums == {
        "b": WorkloadSums(100, None),
        "c": WorkloadSums(3, 1),
        OTHER_WORKLOADS: WorkloadSums(12, 0),
    }


def test_no_room() -> None:
    """With max: 0 there is one sum of all."""
    assert TopWorkloads(0).choose({"a": (5, 2), "b": (1, 1)}) == {
        OTHER_WORKLOADS: WorkloadSums(6, 3)
    }


def test_fewer_than_before() -> None:
    """When fewer may be named, as after a reload, the lightest go at once."""
    top = TopWorkloads(4)
    counts = {"a": (5, 0), "b": (100, 0), "c": (3, 1), "d": (7, 0)}
    top.choose(counts)
    top.most = 2
    assert set(top.choose(counts)) == {"b", "c", OTHER_WORKLOADS}
    assert set(top.choose({})) == {"b", "c", OTHER_WORKLOADS}


def test_risk_is_remembered() -> None:
    """A workload that had connections at risk goes on to say that it has none."""
    top = TopWorkloads(2)
    assert top.choose({"a": (5, 0)})["a"].at_risk is None
    assert top.choose({"a": (5, 2)})["a"].at_risk == 2
    assert top.choose({"a": (5, 0)})["a"].at_risk == 0


def test_nearly_alike() -> None:
    """Two workloads that overtake one another do not take turns in the one place."""
    top = TopWorkloads(1)
    chosen = [set(top.choose({"a": (10 + n % 3, 0), "b": (11 - n % 3, 0)})) for n in range(50)]
    assert chosen == [chosen[0]] * 50


def test_a_much_heavier_one() -> None:
    """One that is twice as heavy takes the lightest one's place."""
    top = TopWorkloads(2)
    top.choose({"a": (10, 0), "b": (20, 0)})
    assert set(top.choose({"a": (10, 0), "b": (20, 0), "c": (19, 0)})) == {"a", "b", "(other)"}
    assert set(top.choose({"a": (10, 0), "b": (20, 0), "c": (20, 0)})) == {"b", "c", "(other)"}


def test_a_pause() -> None:
    """A workload without connections for a while shows 0 and keeps its place, then it is gone."""
    top = TopWorkloads(2)
    top.choose({"a": (10, 0)})
    assert top.choose({})["a"] == WorkloadSums(0, None)
    gone = next(number for number in range(1000) if "a" not in top.choose({}))
    assert 10 < gone < SAMPLES_PER_HOUR


def test_short_lived_ones_come_and_go() -> None:
    """Thousands of short-lived workloads do not drive out those that stay, nor change quickly."""
    top = TopWorkloads(20)
    services = {f"{number}.service": (2 + number, 0) for number in range(10)}
    named: list[set[str]] = []
    for sample in range(SAMPLES_PER_HOUR):
        counts = services | crowd(100 * sample, 100)
        sums = top.choose(counts)
        assert sum(each.connections for each in sums.values()) == sum(n for n, _ in counts.values())
        assert services.keys() <= sums.keys()
        assert len(sums) <= 21
        named.append(set(sums))
    changes = sum(len(after - before) for before, after in pairwise(named))
    assert changes < SAMPLES_PER_HOUR


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdefgh"),
            st.tuples(st.integers(0, 5000), st.integers(0, 5)).map(
                lambda count: (count[0] + count[1] + 1, count[1])
            ),
        ),
        max_size=12,
    ),
    st.integers(0, 5),
)
def test_sums_reconcile(samples: list[dict[str, Count]], most: int) -> None:
    """Whatever comes and goes, all is counted once and the number of names is bounded."""
    top = TopWorkloads(most)
    for counts in samples:
        sums = top.choose(counts)
        assert len(sums) <= most + 1
        assert list(sums)[-1] == OTHER_WORKLOADS
        for index in (0, 1):
            total = sum((each.connections, each.at_risk or 0)[index] for each in sums.values())
            assert total == sum(count[index] for count in counts.values())
