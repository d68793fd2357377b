"""
A connection's keepalive time, derived from its timer.

Samples are 15 s apart unless stated otherwise. As in the kernel, the timer's check either re-arms
the timer for the rest of the keepalive time since the last receipt, or sends a probe.
"""

from dataclasses import replace

import numpy as np
import pytest

from exporter.analysis.history_table import HistoryTable
from exporter.model import ConnectionTable, Timer
from tests.analysis.rows import connection, watch

HIDING = pytest.mark.parametrize("timer", [Timer.RETRANSMIT, Timer.ZERO_WINDOW])


def keepalive_time(known: HistoryTable) -> float:
    """
    The keepalive time of the only connection; NaN if unknown.
    """
    return float(known["keepalive_time"][0])


def is_unknown(known: HistoryTable) -> bool:
    """
    Whether the keepalive time of the only connection is unknown.
    """
    return bool(np.isnan(keepalive_time(known)))


def test_first_sight_is_a_lower_bound() -> None:
    """The time is at least the time from the last receipt to the next check."""
    assert keepalive_time(watch(connection(at=1000, age=20, expires=40))) == pytest.approx(60)


def test_the_largest_sum_is_kept() -> None:
    """Receipts after the timer was armed decrease the sum, but not the keepalive time."""
    first = connection(at=1000, age=10, expires=110)
    second = connection(at=1015, age=0, expires=95)
    third = connection(at=1030, age=2, expires=80)
    assert keepalive_time(watch(first, second, third)) == pytest.approx(120)


def test_a_lazy_check_reveals_a_longer_time() -> None:
    """A check before the end of the keepalive time re-arms the timer, and the sum increases."""
    before = connection(at=1000, age=1, expires=10)
    after = connection(at=1015, age=16, expires=7184)
    assert keepalive_time(watch(before)) == pytest.approx(11)
    assert keepalive_time(watch(before, after)) == pytest.approx(7200)


def test_a_quiet_check_is_exact() -> None:
    """The sum just after a check is exact, independent of earlier values."""
    noted = connection(at=1000, age=10, expires=290)
    lowered = connection(at=1015, age=25, expires=95)
    assert keepalive_time(watch(noted, lowered)) == pytest.approx(120)


def test_a_check_while_busy_is_a_lower_bound() -> None:
    """A receipt after the check decreases the sum."""
    before = connection(at=1000, age=1, expires=60)
    soon = connection(at=1050, age=1, expires=10, segments_in=50)
    after = connection(at=1065, age=0, expires=110, segments_in=60)
    assert 110 <= keepalive_time(watch(before, soon, after)) <= 126


def test_an_answered_probe_arms_for_the_interval() -> None:
    """After an answered probe the timer is armed for the interval, which gives no bound."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, acked=5, expires=70)
    later = connection(at=1030, age=140, acked=20, expires=55)
    assert keepalive_time(watch(before, after)) == pytest.approx(120)
    assert keepalive_time(watch(before, after, later)) == pytest.approx(120)


def test_a_probe_a_second_is_no_new_setting() -> None:
    """
    A check that was due and is due again shortly has run; the option was not set.
    """
    known = watch(
        connection(at=10, age=0.5, expires=0.5),
        connection(at=11.45, age=1.95, acked=0.95, expires=0.05, segments_in=11, segments_out=11),
    )
    assert known["keepalive_time"].tolist() == pytest.approx([1.0])


def test_data_right_after_an_answered_probe() -> None:
    """Data in the same sample as the answer does not make the interval count as the time."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=2, expires=295)
    later = connection(at=1030, age=17, expires=280)
    assert keepalive_time(watch(before, after)) == pytest.approx(120)
    assert keepalive_time(watch(before, after, later)) == pytest.approx(120)


def test_a_busy_connection_is_never_probed() -> None:
    """A check long before the known time has not probed, so the new sum counts."""
    before = connection(at=1000, age=1, expires=290)
    soon = connection(at=1280, age=2, expires=10, segments_in=50)
    after = connection(at=1295, age=2, expires=345, segments_in=60)
    assert keepalive_time(watch(before, soon, after)) == pytest.approx(347)


def test_a_sample_between_probe_and_answer() -> None:
    """While the probe is under way, the timer is already armed for the interval."""
    before = connection(at=1000, age=110, expires=10)
    on_its_way = connection(at=1015, age=125, expires=299.9, unanswered=1)
    answered = connection(at=1030, age=140, acked=14.9, expires=284.9)
    assert keepalive_time(watch(before, on_its_way)) == pytest.approx(120)
    assert keepalive_time(watch(before, on_its_way, answered)) == pytest.approx(120)


def test_unanswered_probes_bound_nothing() -> None:
    """While probes are unanswered, the time since the last receipt gives no bound."""
    samples = [
        connection(at=1000, age=110, expires=10),
        *(
            connection(at=1015 + 30 * n, age=125 + 30 * n, expires=25, unanswered=n + 1)
            for n in range(4)
        ),
    ]
    assert keepalive_time(watch(*samples)) == pytest.approx(120)


def test_switched_on_while_idle() -> None:
    """SO_KEEPALIVE arms the timer for a full period from now, which gives no bound."""
    off = connection(at=1000, age=500)
    on = connection(at=1015, age=515, expires=55)
    assert is_unknown(watch(off, on))


def test_first_probe_after_switching_on() -> None:
    """The first probe is late, because the timer was armed late, and gives no bound either."""
    off = connection(at=1000, age=500)
    on = connection(at=1015, age=515, expires=10)
    probed = connection(at=1030, age=530, acked=5, expires=70)
    assert is_unknown(watch(off, on, probed))


def test_exact_after_switching_on() -> None:
    """The first quiet check after switching on gives the exact time."""
    off = connection(at=1000, age=500)
    on = connection(at=1015, age=515, expires=10)
    probed = connection(at=1030, age=530, acked=5, expires=5)
    checked = connection(at=1045, age=545, acked=20, expires=40)
    assert keepalive_time(watch(off, on, probed, checked)) == pytest.approx(60)


def test_switched_off() -> None:
    """Without keepalive, the time is unknown, and the old value is dropped."""
    on = connection(at=1000, age=10, expires=110)
    off = connection(at=1015, age=25)
    assert is_unknown(watch(on, off))
    assert is_unknown(watch(on, off, connection(at=1030, age=40, expires=119)))


@pytest.mark.parametrize("time", [60, 299, 301, 7200])
def test_option_set_while_idle(time: int) -> None:
    """TCP_KEEPIDLE re-arms the timer for the rest of the time, which is exact immediately."""
    before = connection(at=1000, age=10, expires=290)
    after = connection(at=1015, age=25, expires=time - 25)
    assert keepalive_time(watch(before, after)) == pytest.approx(time)


def test_lowered_while_busy() -> None:
    """TCP_KEEPIDLE lowered on a busy connection replaces the earlier value."""
    before = connection(at=1000, age=1, expires=7199)
    after = connection(at=1015, age=1, expires=115)
    known = watch(before, after)
    assert is_unknown(known) or keepalive_time(known) <= 131


def test_lowered_below_the_time_gone_by() -> None:
    """TCP_KEEPIDLE below the idle time sends a probe immediately; the old value is dropped."""
    before = connection(at=1000, age=500, expires=6700)
    after = connection(at=1015, age=515, acked=5, expires=295)
    later = connection(at=1310, age=810, acked=300, expires=0)
    probed = connection(at=1325, age=825, acked=10, expires=290)
    assert is_unknown(watch(before, after))
    assert is_unknown(watch(before, after, later, probed))


def test_a_probe_before_the_time_noted() -> None:
    """An answered probe earlier than the known time corrects it."""
    first = connection(at=1000, age=150, expires=100)
    hidden = connection(at=1015, age=165, timer=Timer.ZERO_WINDOW)
    option_set = connection(at=1030, age=0, acked=0, expires=45)
    due = connection(at=1070, age=40, expires=5)
    probed = connection(at=1085, age=55, acked=9, expires=65)
    assert keepalive_time(watch(first, hidden, option_set)) == pytest.approx(250)
    assert keepalive_time(watch(first, hidden, option_set, due, probed)) <= 46


def test_first_seen_after_a_probe() -> None:
    """An interval taken for the time at first sight is corrected by the next check."""
    first = connection(at=1000, age=9, expires=291)
    due = connection(at=1285, age=1, expires=6, segments_in=50)
    checked = connection(at=1300, age=1, expires=192, segments_in=60)
    known = watch(first, due, checked)
    assert keepalive_time(watch(first)) == pytest.approx(300)
    assert 193 <= keepalive_time(known) <= 208


@HIDING
def test_hidden_with_memory(timer: Timer) -> None:
    """Another timer that hides the keepalive timer does not change what is known."""
    before = connection(at=1000, age=10, expires=110)
    hidden = connection(at=1015, age=25, sent=1, timer=timer, expires=0.2, unacked=1)
    known = watch(before, hidden)
    assert known["armed"][0] == 1
    assert keepalive_time(known) == pytest.approx(120)


@HIDING
def test_hidden_from_the_first_sight(timer: Timer) -> None:
    """If another timer hides the keepalive timer at first sight, keepalive is unknown."""
    known = watch(connection(at=1000, age=10, sent=1, timer=timer, expires=0.2, unacked=1))
    assert known["armed"][0] == -1
    assert is_unknown(known)


@HIDING
def test_hidden_without_keepalive(timer: Timer) -> None:
    """A connection known to be without keepalive stays so while the timer is hidden."""
    before = connection(at=1000, age=10)
    hidden = connection(at=1015, age=25, sent=1, timer=timer, expires=0.2, unacked=1)
    assert watch(before, hidden)["armed"][0] == 0


@pytest.mark.parametrize("column", ["unacked", "send_queue"])
def test_data_in_flight_bounds_nothing(column: str) -> None:
    """With data in flight, the check re-arms for a full period, which gives no bound."""
    before = connection(at=1000, age=50, expires=10)
    after = connection(at=1015, age=65, expires=55)
    after = replace(after, **{column: getattr(after, column) + 1})
    assert keepalive_time(watch(before, after)) == pytest.approx(60)


def test_an_overdue_timer_bounds_nothing() -> None:
    """A timer may fire an eighth late; while it is overdue, the sum gives no bound."""
    before = connection(at=1000, age=110, expires=10)
    overdue = connection(at=1020, age=130, expires=0)
    more_so = connection(at=1025, age=135, expires=0)
    assert keepalive_time(watch(before, overdue, more_so)) == pytest.approx(120)


def test_an_overdue_timer_that_fires_at_last() -> None:
    """A late answered probe does not increase the keepalive time."""
    before = connection(at=1000, age=110, expires=10)
    overdue = connection(at=1015, age=125, expires=0)
    probed = connection(at=1030, age=140, acked=14, expires=61)
    assert keepalive_time(watch(before, overdue, probed)) == pytest.approx(120)


def test_a_busy_socket_is_tried_again() -> None:
    """The check is retried after HZ/20 if the socket is locked; this is not re-arming."""
    before = connection(at=1000, age=110, expires=10)
    locked = connection(at=1011, age=121, expires=0.05)
    assert keepalive_time(watch(before, locked)) <= 121.1


def test_rows_are_read_in_batches() -> None:
    """Small errors of reading times have no effect."""
    samples: list[ConnectionTable] = [
        connection(at=1000 + 15 * n + jitter, age=10 + 15 * n, expires=110 - 15 * n)
        for n, jitter in enumerate((0.0, 0.03, -0.03, 0.04))
    ]
    assert keepalive_time(watch(*samples)) == pytest.approx(120, abs=0.1)


def at_most(*samples: ConnectionTable) -> float:
    """
    The upper bound of the keepalive time of a connection opened after 1000.
    """
    return float(watch(*samples, opened_after=1000.0)["keepalive_at_most"][0])


def test_upper_bound_of_another_option() -> None:
    """
    A timer was armed after its connection was opened. If the option is set again, whether that is
    seen at once or only by a sum that is too large, the bound is no longer valid.
    """
    opened = connection(at=1005, age=1, expires=100)
    assert at_most(opened) == pytest.approx(105)
    assert at_most(opened, connection(at=1010, age=6, expires=95)) == pytest.approx(105)
    seen = connection(at=1010, age=6, expires=300)
    assert at_most(opened, seen) == pytest.approx(306)
    unseen = connection(at=1200, age=196, expires=105)
    assert at_most(opened, unseen) == pytest.approx(301)
