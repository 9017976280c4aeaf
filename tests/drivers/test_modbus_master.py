"""The owner of a Modbus line, in virtual time."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.line.owner import DeviceTiming, LineOwner, Result
from drivers.modbus import codec
from drivers.modbus.codec import Request

METER = 1
MONITOR = 2
READ = Request(METER, 3, 0x10, 2, tag="block")
SAME_SHAPE = Request(METER, 3, 0x20, 2, tag="other block")


def framed(*body: int) -> bytes:
    return bytes(body) + codec.checksum(bytes(body))


def registers_reply(request: Request, values: list[int]) -> bytes:
    payload = struct.pack(f">{len(values)}H", *values)
    return framed(request.address, request.function, len(payload), *payload)


def echo(request: Request) -> bytes:
    return framed(*codec.encode(request)[:6])


def exception_reply(request: Request, code: int) -> bytes:
    return framed(request.address, request.function | 0x80, code)


def new_master(**timing: float) -> LineOwner:
    master = LineOwner(9600, 10)
    master.attach(METER, DeviceTiming(**{"latency_s": 0.1, "period_s": 1.0, **timing}))
    master.attach(MONITOR, DeviceTiming(latency_s=0.1, period_s=1.0))
    return master


class Clock:
    """Drives a master from event to event."""

    def __init__(self, master: LineOwner) -> None:
        self.master = master
        self.now_s = 100.0
        self.sent: list[tuple[float, bytes]] = []

    def submit(self, request: Request) -> None:
        self.master.submit(request, self.now_s)

    def step(self, until_s: float) -> bytes | None:
        """Goes on until something is written or ``until_s`` is reached."""
        for _ in range(10_000):
            data = self.master.poll(self.now_s)
            if data:
                self.sent.append((self.now_s, data))
                return data
            due_s = self.master.next_due(self.now_s)
            if due_s is None or due_s > until_s:
                self.now_s = until_s
                return None
            assert due_s >= self.now_s
            self.now_s = max(due_s, self.now_s)
        raise AssertionError("next_due does not move on")

    def expect(self, request: Request, within_s: float = 3.0) -> None:
        assert self.step(self.now_s + within_s) == codec.encode(request)

    def reply(self, data: bytes, after_s: float = 0.02) -> list[Result]:
        self.now_s += after_s
        self.master.receive(data, self.now_s)
        return self.master.results()

    def wait(self, seconds: float) -> list[Result]:
        assert self.step(self.now_s + seconds) is None
        return self.master.results()


def test_request_frames_match_the_specification_examples() -> None:
    # Modbus application protocol V1.1b3, the examples of clause 6, with checksums of a second implementation.
    def bare(request: Request) -> bytes:
        return codec.encode(request)[1:-2]

    assert bare(Request(17, 1, 0x13, 19)) == bytes.fromhex("0100130013")
    assert bare(Request(17, 2, 0xC4, 22)) == bytes.fromhex("0200C40016")
    assert bare(Request(17, 3, 0x6B, 3)) == bytes.fromhex("03006B0003")
    assert bare(Request(17, 4, 0x08, 1)) == bytes.fromhex("0400080001")
    assert bare(Request(17, 5, 0xAC, values=(0xFF00,))) == bytes.fromhex("0500ACFF00")
    assert bare(Request(17, 6, 0x01, values=(3,))) == bytes.fromhex("0600010003")
    assert bare(Request(17, 15, 0x13, values=(1, 0, 1, 1, 0, 0, 1, 1, 1, 0))) == bytes.fromhex("0F0013000A02CD01")
    assert bare(Request(17, 16, 0x01, values=(10, 0x102))) == bytes.fromhex("10000100020" + "4000A0102")
    assert codec.encode(Request(1, 3, 0, 2))[-2:] == bytes.fromhex("C40B")


def test_a_timed_pulse_keeps_its_duration() -> None:
    assert codec.encode(Request(1, 5, 0x0203, values=(10,)))[:-2] == bytes.fromhex("01050203000A")


@pytest.mark.parametrize(
    "request_",
    [
        Request(0, 3, 0, 1),
        Request(248, 3, 0, 1),
        Request(1, 3, 0, 0),
        Request(1, 3, 0, 126),
        Request(1, 3, 70000, 1),
        Request(1, 7, 0, 1),
        Request(1, 5, 0),
        Request(1, 6, 0, values=(70000,)),
    ],
)
def test_illegal_requests_are_refused_when_they_are_made(request_: Request) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are pymodbus' own
        new_master().submit(request_, 0.0)


def test_a_read_gives_its_registers_with_the_time_of_arrival() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    [result] = clock.reply(registers_reply(READ, [0x1234, 0xFFFF]))
    assert result.ok
    assert result.registers == (0x1234, 0xFFFF)
    assert result.at_s == clock.now_s
    assert clock.master.counters[METER].ok == 1


def test_bits_are_cut_to_the_number_asked_for() -> None:
    clock = Clock(new_master())
    request = Request(METER, 2, 0, 10)
    clock.submit(request)
    clock.expect(request)
    [result] = clock.reply(framed(METER, 2, 2, 0b00000101, 0b11111110))
    assert result.bits == (True, False, True, False, False, False, False, False, False, True)


@pytest.mark.parametrize(
    "request_",
    [
        Request(METER, 5, 3, values=(0xFF00,)),
        Request(METER, 5, 0x0203, values=(10,)),
        Request(METER, 6, 7, values=(99,)),
        Request(METER, 15, 0, values=(1, 0, 1)),
        Request(METER, 16, 4, values=(1, 2)),
    ],
)
def test_a_write_needs_its_own_echo(request_: Request) -> None:
    clock = Clock(new_master())
    clock.submit(request_)
    clock.expect(request_)
    other = bytearray(codec.encode(request_)[:6])
    for index in (2, 3, 4, 5):
        wrong = bytearray(other)
        wrong[index] ^= 1
        assert clock.reply(framed(*wrong), 0.001) == []
    [result] = clock.reply(echo(request_), 0.001)
    assert result.ok
    assert clock.master.counters[METER].mismatched == 4


def test_the_reply_may_come_byte_by_byte_and_after_junk() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    assert clock.reply(b"\x00\xff\x01\x03") == []
    stream = registers_reply(READ, [7, 8])
    for byte in stream[:-1]:
        assert clock.reply(bytes([byte]), 0.001) == []
    [result] = clock.reply(stream[-1:], 0.001)
    assert result.registers == (7, 8)


@pytest.mark.parametrize(
    ("reply", "counter"),
    [
        (framed(METER, 3, 2, 0, 7), "mismatched"),  # fewer registers than asked for
        (framed(METER, 3, 6, 0, 7, 0, 8, 0, 9), "mismatched"),  # more registers
        (framed(METER, 4, 4, 0, 7, 0, 8), "mismatched"),  # another function
        (framed(MONITOR, 3, 4, 0, 7, 0, 8), "mismatched"),  # another device
        (framed(METER, 0x84, 2), "mismatched"),  # an exception to another function
        (bytes((METER, 3, 4, 0, 7, 0, 8, 0, 0)), "crc"),
        (registers_reply(READ, [7, 8])[:-1], "timeouts"),  # cut off
        (b"", "timeouts"),
        (b"\x55\xaa\x00", "timeouts"),
    ],
)
def test_what_does_not_fit_is_no_value(reply: bytes, counter: str) -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    assert clock.reply(reply) == []
    [result] = clock.wait(1.0)
    assert result.error == {"timeouts": "timeout", "crc": "crc", "mismatched": "mismatched"}[counter]
    assert result.registers == ()
    assert clock.master.counters[METER].as_dict() == {
        **dict.fromkeys(("ok", "timeouts", "crc", "exceptions", "mismatched", "expired"), 0),
        counter: 1,
        "late": len(reply),
    }


def test_the_true_reply_behind_a_foreign_frame_counts() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    assert clock.reply(framed(MONITOR, 3, 4, 9, 9, 9, 9)) == []
    [result] = clock.reply(registers_reply(READ, [1, 2]))
    assert result.registers == (1, 2)


def test_a_reply_hidden_in_a_foreign_frame_does_not_count() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    inner = registers_reply(READ, [6, 6])
    assert clock.reply(framed(MONITOR, 3, len(inner), *inner)) == []
    [result] = clock.wait(1.0)
    assert result.error == "mismatched"


def test_an_exception_is_an_answer_and_no_reason_to_back_off() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    [result] = clock.reply(exception_reply(READ, 2))
    assert (result.error, result.exception_code) == ("exception", 2)
    clock.submit(READ)
    clock.expect(READ, 0.05)


def test_time_out_follows_from_line_speed_and_device_latency() -> None:
    for baud, latency_s in ((1200, 0.1), (115200, 0.1), (9600, 1.5)):
        master = LineOwner(baud, 11)
        master.attach(METER, DeviceTiming(latency_s=latency_s))
        clock = Clock(master)
        request = Request(METER, 3, 0, 20)
        clock.submit(request)
        clock.expect(request)
        wire_s = (8 + 45) * 11 / baud
        due_s = master.next_due(clock.now_s)
        assert due_s is not None
        waits_s = due_s - clock.now_s
        assert wire_s + latency_s < waits_s < wire_s + latency_s + 0.1


def test_one_request_at_a_time_with_the_gaps_kept() -> None:
    master = new_master(minimum_gap_s=0.02)
    clock = Clock(master)
    clock.submit(READ)
    clock.submit(SAME_SHAPE)
    clock.submit(Request(MONITOR, 3, 0x20, 6))
    clock.expect(READ)
    assert clock.step(clock.now_s + 0.01) is None
    clock.reply(registers_reply(READ, [1, 2]), 0.0)
    answered_s = clock.now_s
    # The meter wants its 20 ms; its neighbour has only the frame gap to wait for.
    clock.expect(Request(MONITOR, 3, 0x20, 6))
    assert 3.5 * 10 / 9600 <= clock.now_s - answered_s < 0.01
    clock.reply(registers_reply(Request(MONITOR, 3, 0x20, 6), [0] * 6), 0.001)
    clock.expect(SAME_SHAPE)
    assert clock.now_s - answered_s == pytest.approx(0.02)


def test_priorities_and_order_of_arrival() -> None:
    clock = Clock(new_master())
    slow, meter, fast, off = (
        Request(METER, 3, 0, 1, priority=3),
        Request(METER, 3, 0, 2, priority=2),
        Request(METER, 2, 0, 8, priority=1),
        Request(METER, 5, 0, values=(0,), priority=0),
    )
    second_fast = Request(METER, 1, 0, 8, priority=1)
    for request in (slow, meter, fast, second_fast, off):
        clock.submit(request)
    clock.expect(off)
    clock.reply(echo(off))
    for request in (fast, second_fast):
        clock.expect(request)
        clock.reply(framed(METER, request.function, 1, 0))
    for request in (meter, slow):
        clock.expect(request)
        clock.reply(registers_reply(request, [0] * request.count))


def test_a_request_that_could_not_be_sent_in_time_is_never_sent() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    close = Request(METER, 5, 0x0200, values=(10,), lifetime_s=0.05)
    clock.submit(close)
    results = clock.wait(2.0)
    assert [(r.request, r.error) for r in results] == [(READ, "timeout"), (close, "expired")]
    assert clock.master.counters[METER].expired == 1


def test_a_newer_command_takes_the_place_of_the_queued_one() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    on = Request(METER, 5, 0x0200, values=(10,), tag="output:k1")
    off = Request(METER, 5, 0, values=(0,), tag="output:k1", priority=0)
    neighbour = Request(METER, 5, 0x0201, values=(10,), tag="output:k2")
    for request in (on, neighbour, off):
        clock.submit(request)
    [replaced] = clock.master.results()
    assert (replaced.request, replaced.error) == (on, "replaced")
    clock.reply(registers_reply(READ, [0, 0]))
    clock.expect(off)
    clock.reply(echo(off))
    clock.expect(neighbour)
    clock.reply(echo(neighbour))
    assert clock.step(clock.now_s + 5.0) is None


def test_a_lost_port_gives_everything_up() -> None:
    clock = Clock(new_master())
    clock.submit(READ)
    clock.expect(READ)
    clock.submit(SAME_SHAPE)
    clock.master.reset(clock.now_s)
    assert [r.error for r in clock.master.results()] == ["port lost", "port lost"]
    assert clock.step(clock.now_s + 5.0) is None


class TestLateReplies:
    """A reply that comes after its time-out is never the answer to something else."""

    def timed_out(self, **timing: float) -> Clock:
        clock = Clock(new_master(**timing))
        clock.submit(READ)
        clock.expect(READ)
        [result] = clock.wait(0.2)
        assert result.error == "timeout"
        return clock

    def test_during_the_drain_it_is_discarded_and_the_silence_starts_anew(self) -> None:
        clock = Clock(new_master())
        clock.submit(READ)
        clock.expect(READ)
        neighbour = Request(MONITOR, 3, 0x10, 2)
        clock.submit(neighbour)
        due_s = clock.master.next_due(clock.now_s)
        assert due_s is not None
        clock.now_s = due_s
        assert clock.master.poll(clock.now_s) == b""
        [result] = clock.master.results()
        assert result.error == "timeout"
        late = registers_reply(READ, [0xBAD, 0xBAD])
        for byte in late:
            assert clock.reply(bytes([byte]), 0.02) == []
            assert clock.master.poll(clock.now_s) == b""
        last_byte_s = clock.now_s
        clock.expect(neighbour)
        assert clock.now_s >= last_byte_s + 0.03
        assert clock.master.counters[METER].late == len(late)

    def test_while_a_neighbour_is_asked_it_is_not_the_neighbours(self) -> None:
        clock = self.timed_out()
        neighbour = Request(MONITOR, 3, 0x10, 2)
        clock.submit(neighbour)
        clock.expect(neighbour)
        assert clock.reply(registers_reply(READ, [0xBAD, 0xBAD])) == []
        [result] = clock.reply(registers_reply(neighbour, [3, 4]))
        assert (result.request, result.registers) == (neighbour, (3, 4))

    def test_a_block_of_the_same_length_is_asked_only_after_a_probe_of_another(self) -> None:
        clock = self.timed_out(period_s=0.05)
        clock.submit(SAME_SHAPE)
        probe = Request(METER, 3, 0x20, 1)
        clock.expect(probe)
        assert clock.reply(registers_reply(READ, [0xBAD, 0xBAD])) == []
        assert clock.reply(registers_reply(probe, [1])) == []
        clock.expect(SAME_SHAPE)
        [result] = clock.reply(registers_reply(SAME_SHAPE, [1, 2]))
        assert result.registers == (1, 2)

    def test_after_the_late_limit_no_probe_is_needed(self) -> None:
        clock = self.timed_out()
        clock.wait(2.0)
        clock.submit(SAME_SHAPE)
        clock.expect(SAME_SHAPE, 0.01)

    def test_a_late_exception_vouches_only_for_what_was_asked_before_it(self) -> None:
        clock = self.timed_out(period_s=0.05)
        clock.submit(SAME_SHAPE)
        probe = Request(METER, 3, 0x20, 1)
        clock.expect(probe)
        # Whoever's it is, READ is done with; the probe may still be answered.
        assert clock.reply(exception_reply(READ, 2)) == []
        clock.expect(SAME_SHAPE)
        assert clock.reply(registers_reply(probe, [0xBAD])) == []
        [result] = clock.reply(registers_reply(SAME_SHAPE, [1, 2]))
        assert result.registers == (1, 2)
        clock.submit(Request(METER, 3, 0x40, 1))
        clock.expect(Request(METER, 3, 0x40, 1))

    def test_the_answer_to_any_of_several_probes_will_do(self) -> None:
        clock = self.timed_out(period_s=0.05)
        clock.submit(SAME_SHAPE)
        probe = Request(METER, 3, 0x20, 1)
        clock.expect(probe)
        clock.expect(probe)
        # The late answer to the first of them: it was asked after READ.
        assert clock.reply(registers_reply(probe, [0xBAD])) == []
        clock.expect(SAME_SHAPE)
        assert clock.reply(registers_reply(probe, [0xBAD])) == []
        [result] = clock.reply(registers_reply(SAME_SHAPE, [1, 2]))
        assert result.registers == (1, 2)

    def test_a_probe_that_was_asked_before_proves_nothing(self) -> None:
        clock = Clock(new_master(period_s=0.05))
        one = Request(METER, 3, 0x20, 1)
        clock.submit(one)
        clock.expect(one)
        clock.wait(0.2)
        clock.submit(READ)
        clock.expect(READ)
        clock.wait(0.25)
        clock.submit(SAME_SHAPE)
        # The late answer to a read of one register would not prove that READ is done with.
        clock.expect(Request(METER, 3, 0x20, 3))

    def test_bits_are_probed_with_the_other_bit_function(self) -> None:
        clock = Clock(new_master(period_s=0.02))
        inputs = Request(METER, 2, 0, 8)
        clock.submit(inputs)
        clock.expect(inputs)
        clock.wait(0.16)
        clock.submit(inputs)
        probe = Request(METER, 1, 0, 1)
        clock.expect(probe)
        assert clock.reply(framed(METER, 2, 1, 0xFF)) == []
        clock.reply(framed(METER, 1, 1, 0))
        clock.expect(inputs)
        [result] = clock.reply(framed(METER, 2, 1, 1))
        assert result.bits == (True,) + (False,) * 7

    def test_when_no_bit_read_can_vouch_an_exception_to_another_read_does(self) -> None:
        clock = Clock(new_master(period_s=0.02))
        inputs = Request(METER, 2, 0, 8)
        clock.submit(inputs)
        clock.expect(inputs)
        clock.wait(0.16)
        clock.submit(inputs)
        clock.expect(Request(METER, 1, 0, 1))
        clock.expect(Request(METER, 1, 0, 1))
        probe = Request(METER, 3, 0, 1)
        clock.expect(probe)
        assert clock.reply(exception_reply(probe, 2)) == []
        clock.expect(inputs, 0.05)

    def test_when_nothing_can_vouch_the_read_waits_for_the_late_limit(self) -> None:
        clock = Clock(new_master(period_s=0.001))
        begin_s = clock.now_s
        slow = Request(METER, 3, 0, 2, lifetime_s=60.0)
        for _ in range(7):
            clock.submit(slow)
            while clock.step(clock.now_s + 60.0) not in (None, codec.encode(slow)):
                assert clock.now_s < begin_s + 30.0
        sent = [data for _, data in clock.sent]
        # Between two sends of the read itself: an answered probe (there is none here) or the late limit.
        own = [at_s for at_s, data in clock.sent if data == codec.encode(slow)]
        assert all(b - a >= 2.0 for a, b in pairwise(own))
        assert len(set(sent)) > 1

    def test_a_reply_that_comes_twice_is_used_once(self) -> None:
        clock = Clock(new_master())
        clock.submit(READ)
        clock.submit(SAME_SHAPE)
        clock.expect(READ)
        twice = registers_reply(READ, [1, 2]) * 2
        [result] = clock.reply(twice)
        assert result.registers == (1, 2)
        assert clock.master.counters[METER].late == 9
        answered_s = clock.now_s
        clock.expect(SAME_SHAPE)
        assert clock.now_s >= answered_s + 0.03

    @given(
        delays=st.lists(st.sampled_from([0.001, 0.05, 0.14, 0.16, 0.3, 0.7, 1.2, 1.9]), min_size=4, max_size=14),
        blocks=st.lists(st.sampled_from([(0x10, 2), (0x20, 2), (0x30, 1), (0x40, 4)]), min_size=14, max_size=14),
    )
    def test_a_device_of_any_slowness_never_gives_a_wrong_value(
        self, delays: list[float], blocks: list[tuple[int, int]]
    ) -> None:
        """A device that answers in order, each register holding its own address, with any delay below the limit."""
        master = new_master(period_s=0.05)
        clock = Clock(master)
        replies: list[tuple[float, bytes]] = []
        delay = iter(delays * 50)
        accepted = 0
        for register, count in blocks:
            master.submit(Request(METER, 3, register, count, lifetime_s=1.0), clock.now_s)
            for _ in range(60):
                arrival_s = replies[0][0] if replies else clock.now_s + 0.05
                data = clock.step(max(arrival_s, clock.now_s))
                if data is not None:
                    start, length = struct.unpack(">HH", data[2:6])
                    answer = registers_reply(Request(METER, 3, 0, 1), list(range(start, start + length)))
                    earliest_s = replies[-1][0] + 0.001 if replies else 0.0
                    replies.append((max(clock.now_s + next(delay), earliest_s), answer))
                while replies and replies[0][0] <= clock.now_s:
                    master.receive(replies.pop(0)[1], clock.now_s)
                for result in master.results():
                    if result.ok:
                        asked = result.request
                        assert isinstance(asked, Request)
                        assert result.registers == tuple(range(asked.register, asked.register + asked.count))
                        accepted += 1
        if max(delays) <= 0.05:
            assert accepted >= len(blocks) - 1


class TestBackOff:
    """One dead device costs its neighbours at most one time-out per back-off period."""

    def test_the_pauses_grow_to_the_maximum_and_end_with_an_answer(self) -> None:
        clock = Clock(new_master(period_s=0.5))
        request = Request(METER, 3, 0, 2, lifetime_s=60.0)
        asked_s = []
        for _ in range(8):
            clock.submit(request)
            assert clock.step(clock.now_s + 60.0) is not None
            asked_s.append(clock.now_s)
            due_s = clock.master.next_due(clock.now_s)
            assert due_s is not None
            clock.now_s = due_s
            clock.master.poll(clock.now_s)
            clock.master.results()
        pauses = [b - a for a, b in pairwise(asked_s)]
        expected = [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
        assert all(e <= p <= e + 0.2 for e, p in zip(expected, pauses, strict=True))

    def test_a_fast_device_is_asked_often_during_the_first_second(self) -> None:
        clock = Clock(new_master(period_s=0.02))
        request = Request(METER, 3, 0, 2, lifetime_s=60.0)
        failed_s, asked_s = [], []
        for _ in range(12):
            clock.submit(request)
            assert clock.step(clock.now_s + 60.0) is not None
            asked_s.append(clock.now_s)
            due_s = clock.master.next_due(clock.now_s)
            assert due_s is not None
            clock.now_s = due_s
            clock.master.poll(clock.now_s)
            clock.master.results()
            failed_s.append(clock.now_s)
        pauses = [b - a for a, b in zip(failed_s, asked_s[1:], strict=False)]
        assert max(pauses[:4]) <= 0.1 + 1e-9
        assert pauses[-1] > 1.0

    def test_the_neighbour_keeps_its_beat(self) -> None:
        clock = Clock(new_master())
        dead = Request(METER, 3, 0, 2, lifetime_s=0.5)
        alive = Request(MONITOR, 3, 0, 6, lifetime_s=0.5)
        answers = 0
        time_outs = 0
        start_s = clock.now_s
        next_s = start_s
        while clock.now_s < start_s + 60.0:
            if clock.now_s >= next_s:
                clock.submit(dead)
                clock.submit(alive)
                next_s += 1.0
            data = clock.step(next_s)
            if data is not None and data[0] == MONITOR:
                clock.now_s += 0.02
                clock.master.receive(registers_reply(alive, [0] * 6), clock.now_s)
            for result in clock.master.results():
                answers += result.ok
                time_outs += result.error == "timeout"
        assert answers == 60
        assert 10 <= time_outs <= 16

    def test_switching_off_does_not_wait_for_it(self) -> None:
        clock = Clock(new_master(period_s=1.0))
        clock.submit(READ)
        clock.expect(READ)
        clock.wait(0.2)
        off = Request(METER, 5, 0, values=(0,), priority=0)
        on = Request(METER, 5, 0x200, values=(10,), lifetime_s=0.3)
        clock.submit(on)
        clock.submit(off)
        clock.expect(off, 0.001)

    def test_switching_off_does_not_wait_for_a_babbling_line_either(self) -> None:
        clock = Clock(new_master())
        off = Request(METER, 5, 0, values=(0,), priority=0)
        clock.submit(READ)
        clock.submit(off)
        start_s = clock.now_s
        while clock.now_s < start_s + 1.0:
            clock.now_s += 0.005
            clock.master.receive(b"\x55", clock.now_s)
            if codec.encode(off) == clock.master.poll(clock.now_s):
                break
        assert clock.now_s <= start_s + 0.2


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 4), st.integers(1, 60))
def test_no_garbage_raises_or_becomes_a_value(chunks: list[bytes], function: int, count: int) -> None:
    clock = Clock(new_master())
    request = Request(METER, function, 0, count)
    clock.submit(request)
    clock.expect(request)
    everything = b"".join(chunks)
    for chunk in chunks:
        clock.reply(chunk, 0.001)
    clock.wait(1.0)
    sound = codec.find_reply(everything[:512], request).match is codec.Match.REPLY
    assert sound or clock.master.counters[METER].ok == 0


@given(st.integers(0, 8 * 9 - 1), st.integers(0, 8 * 9 - 1))
def test_one_or_two_wrong_bits_are_always_found(first: int, second: int) -> None:
    frame = bytearray(registers_reply(READ, [0x1234, 0x5678]))
    for bit in {first, second}:
        frame[bit // 8] ^= 1 << bit % 8
    assert codec.find_reply(bytes(frame), READ).match is not codec.Match.REPLY
