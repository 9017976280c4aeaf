"""The outbox sends by urgency, moves its cursors without gaps, and sends everything again after a loss."""

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.backoff import Allowance, Backoff
from agent.uplink.outbox import Outbox, Wanted
from agent.vocabulary.kinds import STREAMS


def _outbox(window: int = 10, **cursors: int) -> Outbox:
    return Outbox({name: cursors.get(name, 0) for name in STREAMS}, window)


def test_the_most_urgent_stream_first() -> None:
    outbox = _outbox()
    assert outbox.wanted({"tele": 5, "alarm": 1, "state": 2}, 0.0) == Wanted("alarm", 0, 1)
    outbox.sent("alarm", 1, 1)
    assert outbox.wanted({"tele": 5, "alarm": 1, "state": 2}, 0.0) == Wanted("state", 0, 2)


def test_a_backlog_leaves_room_for_an_alarm() -> None:
    outbox = _outbox(window=10)
    last = {"tele": 500}
    wanted = outbox.wanted(last, 0.0)
    assert wanted == Wanted("tele", 0, 7)
    for seq in range(1, 8):
        outbox.sent("tele", seq, seq)
    assert outbox.wanted(last, 0.0) is None
    assert outbox.wanted({**last, "alarm": 9}, 0.0) == Wanted("alarm", 0, 3)


def test_a_window_of_one_still_sends_everything() -> None:
    outbox = _outbox(window=1)
    assert outbox.wanted({"tele": 5}, 0.0) == Wanted("tele", 0, 1)
    outbox.sent("tele", 1, 1)
    assert outbox.wanted({"tele": 5}, 0.0) is None


def test_other_messages_in_flight_count() -> None:
    outbox = _outbox(window=10)
    assert outbox.wanted({"alarm": 50}, 0.0, others=4) == Wanted("alarm", 0, 6)
    assert outbox.room(4) == 6


def test_the_cursor_waits_for_the_gap() -> None:
    outbox = _outbox()
    for seq in (1, 2, 3):
        outbox.sent("tele", seq, seq)
    assert outbox.acknowledged(2) is None
    assert outbox.acknowledged(3) is None
    assert outbox.acknowledged(1) == ("tele", 3)
    assert outbox.acknowledged(1) is None
    assert outbox.acknowledged(99) is None


def test_after_a_loss_everything_past_the_cursor_again() -> None:
    outbox = _outbox(tele=4)
    outbox.connected({"tele": 6})
    assert outbox.is_repeated("tele", 6)
    assert not outbox.is_repeated("tele", 7)
    for seq in (5, 6, 7):
        outbox.sent("tele", seq, seq)
    outbox.acknowledged(6)
    outbox.connected({"tele": 7})
    assert outbox.in_flight == 0
    assert outbox.wanted({"tele": 7}, 0.0) == Wanted("tele", 4, 3)
    assert outbox.is_repeated("tele", 7)


def test_the_broker_may_allow_less() -> None:
    outbox = _outbox(window=100)
    outbox.connected({}, receive_maximum=3)
    assert outbox.wanted({"alarm": 50}, 0.0) == Wanted("alarm", 0, 3)
    outbox.connected({}, receive_maximum=65535)
    assert outbox.wanted({"alarm": 50}, 0.0) == Wanted("alarm", 0, 50)


def test_a_refused_message_is_sent_again_after_a_pause_and_never_skipped() -> None:
    outbox = _outbox()
    for seq in (1, 2, 3):
        outbox.sent("alarm", seq, seq)
    outbox.acknowledged(1)
    assert outbox.refused(2, 100.0) == "alarm"
    assert outbox.refused(77, 100.0) is None
    outbox.acknowledged(3)
    assert outbox.wanted({"alarm": 3, "tele": 1}, 101.0) == Wanted("tele", 0, 1)
    assert outbox.wanted({"alarm": 3}, 131.0) == Wanted("alarm", 1, 2)
    assert outbox.is_repeated("alarm", 2)
    outbox.sent("alarm", 2, 12)
    assert outbox.acknowledged(12) == ("alarm", 3)


def test_a_refused_stream_stays_paused_over_a_new_connection_and_ever_longer() -> None:
    outbox = _outbox()
    last = {"alarm": 1, "tele": 1}
    now_s = 0.0
    for pause_s in (30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0):
        outbox.sent("alarm", 1, 1)
        outbox.refused(1, now_s)
        outbox.connected(last)
        assert outbox.wanted(last, now_s + pause_s - 0.1) == Wanted("tele", 0, 1)
        now_s += pause_s
        assert outbox.wanted(last, now_s) == Wanted("alarm", 0, 1)


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["record", "send", "ack", "refuse", "loss"]), st.integers(0, 50)), max_size=200
)


@given(_EVENTS, st.integers(1, 20))
def test_whatever_happens_the_cursor_never_passes_what_was_not_taken(
    events: list[tuple[str, int]], window: int
) -> None:
    outbox = _outbox(window)
    last = dict.fromkeys(STREAMS, 0)
    taken: dict[str, set[int]] = {name: set() for name in STREAMS}
    cursors = dict.fromkeys(STREAMS, 0)
    in_flight: list[tuple[int, str, int]] = []
    message_id, now_s = 0, 0.0
    for what, number in events:
        now_s += number
        if what == "record":
            last[STREAMS[number % 5]] += 1 + number % 3
        elif what == "send":
            wanted = outbox.wanted(last, now_s)
            if wanted is not None:
                assert wanted.count <= window
                for seq in range(wanted.after + 1, wanted.after + 1 + wanted.count):
                    message_id += 1
                    outbox.sent(wanted.stream, seq, message_id)
                    in_flight.append((message_id, wanted.stream, seq))
                assert outbox.in_flight == len(in_flight) <= window
        elif what == "loss":
            outbox.connected(last)
            in_flight.clear()
        elif in_flight:
            identity, stream, seq = in_flight.pop(number % len(in_flight))
            if what == "refuse":
                assert outbox.refused(identity, now_s) == stream
                continue
            taken[stream].add(seq)
            moved = outbox.acknowledged(identity)
            if moved is not None:
                assert moved[1] > cursors[moved[0]]
                cursors[moved[0]] = moved[1]
                assert set(range(1, moved[1] + 1)) <= taken[moved[0]]
    # Then the world is kind again: all is sent and taken, the most urgent first.
    outbox.connected(last)
    now_s += 600.0
    while (wanted := outbox.wanted(last, now_s)) is not None:
        for seq in range(wanted.after + 1, wanted.after + 1 + wanted.count):
            message_id += 1
            outbox.sent(wanted.stream, seq, message_id)
            outbox.acknowledged(message_id)
    assert outbox.pending(last) == 0


def test_back_off_grows_is_bounded_and_starts_anew() -> None:
    backoff = Backoff(1.0, 60.0)
    assert [backoff.next_s(1.0) for _ in range(8)] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert backoff.next_s(0.0) == 1.0
    backoff.reset()
    assert backoff.next_s(0.5) == 1.5


def test_an_allowance_is_a_burst_and_a_rate() -> None:
    allowance = Allowance(burst=3, per_s=0.5)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert allowance.refused == 1
    assert not allowance.take(1.0)
    assert allowance.take(3.1)
    assert [allowance.take(1000.0) for _ in range(4)] == [True, True, True, False]
