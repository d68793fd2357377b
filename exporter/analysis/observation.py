"""
Facts about connections derived from consecutive samples.

The kernel exports neither the keepalive time of a socket nor the time of the last segment in either
direction. Both are derived from the changes of a connection's ages, counters and keepalive timer
between samples. This relies on net/ipv4/tcp_timer.c, tcp_output.c and tcp_input.c:

- tcp_keepalive_timer() checks the time since the last *receipt*. If that is less than the keepalive
  time, it only re-arms the timer for the rest. A timer that is due soon may thus send no probe.
- Time since the last receipt plus time to the next check never exceeds the keepalive time, unless
  the timer was armed for something else: while probes are unanswered or data is in flight, after an
  answered probe (armed for the probe interval), after SO_KEEPALIVE was enabled on an idle
  connection.
- A probe from the peer changes the segment counters, but none of the ages.
"""

import numpy as np

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.direction import UNKNOWN_OPENER, opener
from exporter.analysis.history_table import HistoryTable
from exporter.model import BoolArray, ConnectionTable, FloatArray, TcpState, Timer

_SLACK = 0.1
"""Error of reading times and ages in seconds, from jiffies and from reading rows in batches."""
_WRAP = 3600.0
"""Seconds by which an age must be too small to have wrapped."""
_BUSY_RETRY = 0.1
"""Seconds; tcp_keepalive_timer() retries after HZ/20 if the socket is locked by its user."""
_SETTING_STEP = 0.9
"""TCP_KEEPIDLE is in whole seconds; if the check moves by less, the option was not set."""
_LONGEST_TIMEOUT = 119.0
"""TCP_RTO_MAX is 120 s; from there on, retransmissions do not double their timeout."""
_LOST_AFTER_SAMPLES = 2
"""Number of samples by which a peer's probe may be overdue before the peer is no longer expected to
probe."""


def since_last_segment(known: HistoryTable) -> FloatArray:
    """
    Upper bound of the seconds since the last segment in either direction.
    """
    seconds: FloatArray = known["read_at"] - known["active_at"]
    return seconds


def unanswered_for(known: HistoryTable) -> FloatArray:
    """
    Minimum seconds for which sends or probes have been unanswered; NaN if none are.
    """
    seconds: FloatArray = known["read_at"] - known["unanswered_at"]
    return seconds


def observe(
    table: ConnectionTable, past: HistoryTable, now: HistoryTable, previous_at: float
) -> None:
    """
    Fill now with the rows of the table's connections; past has their rows of the previous sample,
    which was begun at previous_at on the monotonic clock (NaN if there was none).
    """
    since = table.read_at - past["read_at"]
    segments = (table.segments_in + table.segments_out).astype(np.uint32)
    same_count = segments == past["segments"]
    was_active_at = past["active_at"]
    unmoved = same_count & (table.segments_in >= 0) & ~np.isnan(was_active_at)
    # The kernel's ages wrap after 49.7 days. Without a segment, no age became smaller.
    receipt_age = np.fmin(table.last_data_received, table.last_ack_received)
    known_age = table.read_at - past["received_at"]
    wrapped = unmoved & (receipt_age + _WRAP < known_age)
    receipt_age = np.where(wrapped, known_age, receipt_age)
    data_age = np.fmin(table.last_data_sent, table.last_data_received)
    data_age = np.where(unmoved, np.inf, data_age)
    long_ago = since + _SLACK
    quiet = receipt_age > long_ago
    no_data = data_age > long_ago

    now["cookie"] = table.cookie
    now["read_at"] = table.read_at
    now["received_at"] = table.read_at - receipt_age
    now["segments_in"] = table.segments_in
    now["segments"] = segments
    now["opener"] = np.where(past["opener"] == UNKNOWN_OPENER, opener(table), past["opener"])
    now["listened_on"] = past["listened_on"]
    now["redirected"] = past["redirected"]
    now["cgroup"] = table.cgroup
    now["mptcp"] = table.mptcp
    now["peer_closed"] = table.state == TcpState.CLOSE_WAIT
    # A connection that the previous sample did not have has been opened since that began.
    is_new = np.isnan(past["read_at"])
    now["watched_from_start"] = np.where(is_new, previous_at >= 0, past["watched_from_start"])
    first_seen = np.fmin(previous_at, table.read_at)
    now["watched_since"] = np.where(is_new, first_seen, past["watched_since"])

    # Probes change only the segment counters; they were sent after the previous sample.
    probed = quiet & no_data & ~same_count
    active_at = table.read_at - np.fmin(receipt_age, data_age)
    active_at = np.where(probed, np.fmax(active_at, past["read_at"]), active_at)
    now["active_at"] = np.where(unmoved, was_active_at, np.fmax(active_at, was_active_at))
    now["unchanged_for"] = np.where(same_count, past["unchanged_for"] + since, 0.0)

    _fill_unanswered(now, past, table, quiet)
    _fill_peer_probes(now, past, quiet, no_data, table.read_at - data_age)
    _fill_own_keepalive(now, past, table, quiet, no_data)


def _fill_unanswered(
    now: HistoryTable, past: HistoryTable, table: ConnectionTable, quiet: BoolArray
) -> None:
    """
    Fill in spell, spell_at_most, unanswered_at and lasting.

    Unanswered segments were sent after the previous sample. The idle time at that sample is
    therefore the minimum of the spell, and the idle time at this one the maximum. A probe was sent
    when its timer was due, unless the timer was late.
    """
    outstanding = (table.unanswered > 0) | (table.unacked > 0) | (table.send_queue > 0)
    sent_at = past["read_at"]
    probing = (table.timer == Timer.KEEPALIVE) & ~np.isnan(past["check_at"])
    due_at = np.fmin(np.fmax(past["check_at"], past["read_at"]), table.read_at)
    sent_at = np.where(probing, due_at, sent_at)
    began = np.where(quiet, sent_at - past["active_at"], 0.0)
    unanswered_at = table.read_at.copy()
    rows = np.flatnonzero(outstanding)
    if len(rows):
        selected = table.rows(rows)
        unanswered_at[rows] -= _least_unanswered_for(selected)
        new = np.isnan(past["read_at"][rows])
        began[rows[new]] = _spell_at_first_sight(selected.rows(new))
    before = quiet & ~np.isnan(past["unanswered_at"])
    at_most = np.where(before, past["spell_at_most"], table.read_at - past["active_at"])
    unanswered_at = np.where(before, np.fmin(past["unanswered_at"], unanswered_at), unanswered_at)
    now["spell"] = np.where(outstanding, np.where(before, past["spell"], began), np.nan)
    now["spell_at_most"] = np.where(outstanding, at_most, np.nan)
    now["unanswered_at"] = np.where(outstanding, unanswered_at, np.nan)
    now["lasting"] = outstanding & before


def _is_doubling(table: ConnectionTable) -> BoolArray:
    """
    Whether each retransmission doubled the timeout (tcp_retransmit_timer), up to now.
    """
    retransmitting = (table.timer == Timer.RETRANSMIT) & (table.unanswered > 0)
    doubling: BoolArray = retransmitting & (table.backoff == table.unanswered)
    return doubling


def _least_unanswered_for(table: ConnectionTable) -> FloatArray:
    """
    Minimum seconds since the first of the unanswered segments was sent, from a single dump.

    The previous timeouts were half the present one, a quarter of it and so on, or TCP_RTO_MAX. The
    time between keepalive probes is at least the time to the next one.
    """
    timeout = table.last_data_sent + table.expires
    earlier = np.where(
        timeout < _LONGEST_TIMEOUT, timeout * (1 - 0.5**table.unanswered), _LONGEST_TIMEOUT / 2
    )
    probing = (table.timer == Timer.KEEPALIVE) & (table.unanswered > 0)
    least = np.select(
        [probing, _is_doubling(table)],
        [(table.unanswered - 1.0) * table.expires, table.last_data_sent + earlier],
        0.0,
    )
    seconds: FloatArray = np.fmax(least, 0.0)
    return seconds


def _spell_at_first_sight(table: ConnectionTable) -> FloatArray:
    """
    For connections never seen: the minimum idle time before they sent the unanswered segments; NaN
    if unknown.

    All timeouts before the last retransmission were shorter in total than the current one, which
    runs from the last retransmission to the next. From TCP_RTO_MAX on, the total is unknown; but
    data has been unacknowledged for at most the time that the kernel counts as busy
    (tcp_get_info_chrono_stats), which includes all earlier data.
    """
    timeout = table.last_data_sent + table.expires
    exact = _is_doubling(table) & (timeout < _LONGEST_TIMEOUT)
    longest = np.where(exact, timeout + table.last_data_sent, np.nan)
    has_data = (table.unacked > 0) | (table.send_queue > 0)
    longest = np.fmin(longest, np.where(has_data, table.busy, np.nan))
    received = np.fmin(table.last_data_received, table.last_ack_received)
    spell: FloatArray = np.maximum(received - longest, 0.0)
    return spell


def _fill_peer_probes(
    now: HistoryTable, past: HistoryTable, quiet: BoolArray, no_data: BoolArray, data_at: FloatArray
) -> None:
    """
    Fill in peer_received_at and peer_gap, and update watched_since.

    The peer's timer runs from the last segment that it received. The gap is therefore at most the
    time from then to the sample that shows its probe, divided by the number of probes.
    """
    since = now["read_at"] - past["read_at"]
    # Without data, a receipt is the answer to a local probe: exactly one answer, if local probes
    # are less frequent than samples.
    answered = ~quiet & no_data & ~(past["keepalive_time"] <= since)
    arrived = now["segments_in"] - past["segments_in"]  # wraps as the kernel's counter does
    arrived = arrived.astype(np.int64) - answered
    probed = (quiet | answered) & (arrived > 0)
    gap = (now["read_at"] - past["peer_received_at"]) / np.maximum(arrived, 1)
    peer_gap = np.where(probed, np.fmin(past["peer_gap"], gap), past["peer_gap"])
    peer_received_at = np.fmax(data_at, past["peer_received_at"])
    peer_received_at = np.where(
        probed, np.fmax(peer_received_at, past["read_at"]), peer_received_at
    )
    longest_gap = (1 + TIMER_LATENESS) * peer_gap
    overdue = now["read_at"] - peer_received_at > longest_gap + _LOST_AFTER_SAMPLES * since
    # How long ago the peer's previous probe was is unknown if nothing had been seen of it before.
    restart = probed & ~now["watched_from_start"]
    now["watched_since"] = np.where(restart, now["read_at"], now["watched_since"])
    now["peer_received_at"] = peer_received_at
    now["peer_gap"] = np.where(overdue, np.nan, peer_gap)


def _fill_own_keepalive(
    now: HistoryTable,
    past: HistoryTable,
    table: ConnectionTable,
    quiet: BoolArray,
    no_data: BoolArray,
) -> None:
    """
    Fill in armed, check_at, keepalive_time, keepalive_at_most and bounded.
    """
    visible = table.timer == Timer.KEEPALIVE
    masked = (table.timer == Timer.RETRANSMIT) | (table.timer == Timer.ZERO_WINDOW)
    now["armed"] = np.where(masked, past["armed"], visible)
    now["check_at"] = np.where(visible, table.read_at + table.expires, np.nan)

    due = past["check_at"] < table.read_at
    fired = due & (table.expires > _BUSY_RETRY)
    moved = np.abs(now["check_at"] - past["check_at"])
    option_set = ~due & (moved > _SETTING_STEP) & (table.expires > 0)
    rearmed = visible & (fired | option_set)
    # An acknowledgement without data in either direction since the check was due answers a probe.
    answered_at = table.read_at - table.last_ack_received
    answered = rearmed & ~quiet & no_data & (past["check_at"] <= answered_at + _SLACK)
    # A check long before the end of the keepalive time has only re-armed the timer.
    elapsed = past["check_at"] - past["received_at"]
    lazy = fired & (elapsed < (1 - TIMER_LATENESS) * past["keepalive_time"]) & ~answered
    probed = (rearmed & ~quiet & ~lazy) | (table.unanswered > 0)
    switched_on = visible & quiet & (past["armed"] == 0)
    now["bounded"] = ~(probed | switched_on) & (rearmed | past["bounded"])

    at_rest = (
        (table.unanswered == 0)
        & (table.unacked <= 0)
        & (table.send_queue == 0)
        & (table.expires > 0)  # an overdue timer has not fired yet: it may be up to 12 % late
    )
    bound = now["check_at"] - now["received_at"]
    bounds = visible & now["bounded"] & at_rest
    known = np.where(option_set, np.nan, past["keepalive_time"])
    known = np.where(bounds, np.fmax(known, bound), known)
    # The keepalive time is at most the time the timer was armed for, or until the probe was sent.
    at_most = np.where(answered, answered_at, now["check_at"]) - past["received_at"]
    known = np.where(rearmed, np.minimum(known, at_most), known)
    now["keepalive_time"] = np.where(now["armed"] == 1, known, np.nan)

    # A timer was armed after its connection was opened, and after SO_KEEPALIVE was enabled.
    armed_after = np.select(
        [past["armed"] == 0, (past["armed"] < 0) & now["watched_from_start"]],
        [past["read_at"], now["watched_since"]],
        np.nan,
    )
    longest = np.where(option_set | (past["armed"] == 0), np.nan, past["keepalive_at_most"])
    longest = np.fmin(longest, now["check_at"] - armed_after)
    longest = np.where(bounds & (bound > longest + _SLACK), np.nan, longest)  # another option
    longest = np.where(rearmed, np.fmin(longest, at_most), longest)
    now["keepalive_at_most"] = np.where(now["armed"] == 1, longest, np.nan)
