"""
What earlier samples tell about this one.

The kernel exports neither SO_KEEPALIVE's times nor when the last segment crossed the wire; both are
worked out from how a connection's ages, counters and keepalive timer change between samples. What
is relied on, in net/ipv4/tcp_timer.c, tcp_output.c and tcp_input.c:

- tcp_keepalive_timer() looks at the time since the last *receipt*. When that is short of the
  keepalive time it only re-arms for the rest, so a timer that is due soon promises no probe.
- Receipt plus time to the next check never exceeds the keepalive time, except where the timer was
  armed for something else: while probes are unanswered or data is in flight, after an answered
  probe (armed for the probe interval), after SO_KEEPALIVE came on for an idle connection.
- A probe from the peer changes the segment counters but none of the ages.
"""

import numpy as np

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.history_table import Rows
from exporter.model import BoolArray, ConnectionTable, FloatArray, Timer

_SLACK = 0.1
"""Seconds by which a row's reading times and ages may be off: jiffies, and rows read in batches."""
_BUSY_RETRY = 0.1
"""tcp_keepalive_timer() tries again after HZ/20 when the socket is locked by its user."""
_SETTING_STEP = 0.9
"""TCP_KEEPIDLE is in whole seconds; a check that moves by less has not been set anew."""
_LONGEST_TIMEOUT = 119.0
"""TCP_RTO_MAX is 120 s: retransmissions no longer double their timeout then."""
_LOST_AFTER_SAMPLES = 2
"""How many samples a peer's probe may be overdue before it is no longer counted on."""


def idle(known: Rows) -> FloatArray:
    """
    Seconds since the last segment in either direction, at most.
    """
    seconds: FloatArray = known["read_at"] - known["active_at"]
    return seconds


def observe(table: ConnectionTable, past: Rows, now: Rows) -> None:
    """
    Fill now with what is known of the table's connections, given their rows of the sample before.
    """
    since = table.read_at - past["read_at"]
    receipt_age = np.fmin(table.last_data_received, table.last_ack_received)
    data_age = np.fmin(table.last_data_sent, table.last_data_received)
    long_ago = since + _SLACK
    quiet = receipt_age > long_ago
    no_data = data_age > long_ago

    now["cookie"] = table.cookie
    now["read_at"] = table.read_at
    now["received_at"] = table.read_at - receipt_age
    now["segments_in"] = table.segments_in
    now["segments"] = table.segments_in + table.segments_out
    now["inbound"] = past["inbound"]
    now["cgroup"] = table.cgroup

    # Probes show in the segment counters only; they came after the sample before.
    probed = quiet & no_data & (now["segments"] != past["segments"])
    active_at = table.read_at - np.fmin(receipt_age, data_age)
    active_at = np.where(probed, np.fmax(active_at, past["read_at"]), active_at)
    now["active_at"] = np.fmax(active_at, past["active_at"])
    unmoved = now["segments"] == past["segments"]
    now["still"] = np.where(unmoved, past["still"] + since, 0.0)

    _note_unanswered(now, past, table, quiet)
    _note_peer_probes(now, past, quiet, no_data, table.read_at - data_age)
    _note_own_keepalive(now, past, table, quiet, no_data)


def _note_unanswered(now: Rows, past: Rows, table: ConnectionTable, quiet: BoolArray) -> None:
    """
    Fill in spell, spell_at_most and lasting.

    What is unanswered was sent after the sample before; the idle time of that sample is therefore
    the least that the spell can be, and that of this one the most. A probe is known to the moment,
    unless its timer is late: it went when that was due.
    """
    outstanding = (table.unanswered > 0) | (table.unacked > 0) | (table.send_queue > 0)
    sent_at = past["read_at"]
    probing = (table.timer == Timer.KEEPALIVE) & ~np.isnan(past["check_at"])
    due_at = np.fmin(np.fmax(past["check_at"], past["read_at"]), table.read_at)
    sent_at = np.where(probing, due_at, sent_at)
    began = np.where(quiet, sent_at - past["active_at"], 0.0)
    new = np.flatnonzero(np.isnan(past["read_at"]) & (table.unanswered > 1))
    if len(new):
        began[new] = _spell_at_first_sight(table.rows(new))
    before = quiet & ~np.isnan(past["spell"])
    now["spell"] = np.where(outstanding, np.where(before, past["spell"], began), np.nan)
    at_most = table.read_at - past["active_at"]
    at_most = np.where(before, past["spell_at_most"], at_most)
    now["spell_at_most"] = np.where(outstanding, at_most, np.nan)
    now["lasting"] = outstanding & before


def _spell_at_first_sight(table: ConnectionTable) -> FloatArray:
    """
    How long connections never seen had been idle before they sent what is unanswered, at least.

    Each retransmission doubles the timeout (tcp_retransmit_timer), so all those before the last one
    took less time together than the present timeout, which runs from the last one to the next.
    """
    doubling = (table.timer == Timer.RETRANSMIT) & (table.backoff == table.unanswered)
    timeout = table.last_data_sent + table.expires
    unanswered_for = timeout + table.last_data_sent
    received = np.fmin(table.last_data_received, table.last_ack_received)
    known = doubling & (timeout < _LONGEST_TIMEOUT)
    return np.where(known, np.maximum(received - unanswered_for, 0.0), 0.0)


def _note_peer_probes(
    now: Rows, past: Rows, quiet: BoolArray, no_data: BoolArray, data_at: FloatArray
) -> None:
    """
    Fill in heard_at and peer_gap.

    The peer's timer runs from when it last heard of us, so its gap is at most the time from then to
    the sample that shows its probe, which may be several.
    """
    since = now["read_at"] - past["read_at"]
    # Without data, a receipt is the answer to our own probe: one, if those come less often than
    # samples.
    answered = ~quiet & no_data & ~(past["keepalive_time"] <= since)
    arrived = now["segments_in"] - past["segments_in"]  # wraps as the kernel's counter does
    arrived = arrived.astype(np.int64) - answered
    probed = (quiet | answered) & (arrived > 0)
    gap = (now["read_at"] - past["heard_at"]) / np.maximum(arrived, 1)
    peer_gap = np.where(probed, np.fmin(past["peer_gap"], gap), past["peer_gap"])
    heard_at = np.fmax(data_at, past["heard_at"])
    heard_at = np.where(probed, np.fmax(heard_at, past["read_at"]), heard_at)
    longest_gap = (1 + TIMER_LATENESS) * peer_gap
    overdue = now["read_at"] - heard_at > longest_gap + _LOST_AFTER_SAMPLES * since
    now["heard_at"] = heard_at
    now["peer_gap"] = np.where(overdue, np.nan, peer_gap)


def _note_own_keepalive(
    now: Rows, past: Rows, table: ConnectionTable, quiet: BoolArray, no_data: BoolArray
) -> None:
    """
    Fill in armed, check_at, keepalive_time and bounded.
    """
    visible = table.timer == Timer.KEEPALIVE
    masked = (table.timer == Timer.RETRANSMIT) | (table.timer == Timer.ZERO_WINDOW)
    now["armed"] = np.where(masked, past["armed"], visible)
    now["check_at"] = np.where(visible, table.read_at + table.expires, np.nan)

    due = past["check_at"] < table.read_at
    fired = due & (table.expires > _BUSY_RETRY)
    moved = np.abs(now["check_at"] - past["check_at"])
    set_anew = ~due & (moved > _SETTING_STEP) & (table.expires > 0)
    rearmed = visible & (fired | set_anew)
    # An acknowledgement, but no data either way, since the check was due: our probe's answer.
    answered_at = table.read_at - table.last_ack_received
    answered = rearmed & ~quiet & no_data & (past["check_at"] <= answered_at + _SLACK)
    # A check that came long before the keepalive time was up has only re-armed the timer.
    elapsed = past["check_at"] - past["received_at"]
    lazy = fired & (elapsed < (1 - TIMER_LATENESS) * past["keepalive_time"]) & ~answered
    probed = (rearmed & ~quiet & ~lazy) | (table.unanswered > 0)
    switched_on = visible & quiet & (past["armed"] == 0)
    now["bounded"] = ~(probed | switched_on) & (rearmed | past["bounded"])

    at_rest = (
        (table.unanswered == 0)
        & (table.unacked <= 0)
        & (table.send_queue == 0)
        & (table.expires > 0)  # an overdue timer has not fired yet: the wheel may be 12 % late
    )
    bound = now["check_at"] - now["received_at"]
    bounds = visible & now["bounded"] & at_rest
    known = np.where(set_anew, np.nan, past["keepalive_time"])
    known = np.where(bounds, np.fmax(known, bound), known)
    # What the timer was armed for, or the probe came after, is no less than the keepalive time.
    at_most = np.where(answered, answered_at, now["check_at"]) - past["received_at"]
    known = np.where(rearmed, np.minimum(known, at_most), known)
    now["keepalive_time"] = np.where(now["armed"] == 1, known, np.nan)
