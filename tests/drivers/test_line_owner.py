"""What the bus owner owes to whatever is on its line: adapters with echo, gateways, two protocols, many meters."""

import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from line_clock import Slave, VirtualLine

from drivers.dlt645.frame import Frame, encode_frame, find_frames
from drivers.dlt645.meter import Dlt645Meter, Item, Read
from drivers.dlt645.request import Request as Dlt645Request
from drivers.line.device import PollBlock
from drivers.line.exchange import Result
from drivers.line.owner import DeviceTiming, LineOwner
from drivers.line.use import LineUse
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.modbus.tcp import MbapFraming
from drivers.reading import Reading

CHARACTER_S = 10 / 9600
READ = Request(1, 3, 0x10, 2)
NUMBER = "000000000161"


def framed(body: bytes) -> bytes:
    return body + codec.checksum(body)


def registers(request: Request, values: list[int]) -> bytes:
    return framed(
        bytes((request.address, request.function, 2 * len(values))) + struct.pack(f">{len(values)}H", *values)
    )


def ask(master: LineOwner, request: Request | Dlt645Request, now_s: float) -> bytes:
    master.submit(request, now_s)
    return master.poll(now_s)


class TestEcho:
    """An adapter for two wires hands back what it sends."""

    @pytest.mark.parametrize(
        "request_",
        [
            READ,
            Request(1, 3, 0x0410, 2),  # the echo begins like the reply: 01 03 04
            Request(1, 1, 0x0300, 24),  # the echo is a sound reply with three bytes
            Request(1, 4, 0x0602, 3),
        ],
    )
    def test_the_echo_of_a_read_is_taken_away(self, request_: Request) -> None:
        master = LineOwner(9600)
        sent = ask(master, request_, 0.0)
        master.receive(sent, 0.009)
        assert master.echoes
        assert not master.has_results
        # A device that needs 0.15 s: the echo must not count as a damaged reply, which would be given up earlier.
        due_s = master.next_due(0.009)
        assert due_s is not None
        assert due_s > 0.2
        body = (
            bytes((1, 1, 3, 5, 6, 7))
            if request_.function == 1
            else bytes((1, request_.function, 2 * request_.count)) + bytes(2 * request_.count)
        )
        master.receive(framed(body), 0.15)
        [result] = master.results()
        assert result.ok
        counters = master.counters[1]
        assert (counters.ok, counters.late, counters.mismatched) == (1, 0, 0)

    def test_an_echo_in_pieces_and_together_with_the_reply(self) -> None:
        master = LineOwner(9600)
        sent = ask(master, READ, 0.0)
        master.receive(sent[:3], 0.004)
        master.receive(sent[3:] + registers(READ, [7, 8]), 0.03)
        [result] = master.results()
        assert result.registers == (7, 8)

    def test_with_an_echo_a_write_needs_a_reply_of_its_own(self) -> None:
        master = LineOwner(9600)
        master.receive(ask(master, READ, 0.0), 0.009)
        master.receive(registers(READ, [1, 2]), 0.03)
        off = Request(1, 5, 3, values=(0,), priority=0)
        sent = ask(master, off, 0.1)
        master.receive(sent, 0.109)
        master.poll(0.12)
        assert [r.request for r in master.results()] == [READ]
        master.poll(1.0)
        [result] = master.results()
        assert (result.request, result.error) == (off, "timeout")
        sent = ask(master, off, 2.0)
        master.receive(sent + sent, 2.02)
        [result] = master.results()
        assert result.ok

    def test_another_adapter_without_echo_is_noticed(self) -> None:
        master = LineOwner(9600)
        master.receive(ask(master, READ, 0.0), 0.009)
        master.receive(registers(READ, [1, 2]), 0.03)
        sent = ask(master, READ, 0.1)
        assert sent
        master.receive(registers(READ, [3, 4]), 0.13)
        assert not master.echoes
        off = Request(1, 5, 3, values=(0,), priority=0)
        master.receive(ask(master, off, 0.2), 0.21)
        assert master.results()[-1].ok

    def test_dlt645_has_the_same_adapters(self) -> None:
        master = LineOwner(9600, 11)
        request = Dlt645Request(NUMBER, 0x00010000, 4)
        master.receive(ask(master, request, 0.0), 0.03)
        assert master.echoes
        master.receive(encode_frame(Frame(NUMBER, 0x91, bytes.fromhex("00000100 26000000"))), 0.1)
        [result] = master.results()
        assert result.data == bytes.fromhex("26000000")
        assert master.counters[NUMBER].mismatched == 0


class TestCopies:
    """A reply that comes twice: the copy must not be the answer to the next request."""

    def test_a_request_alike_waits_for_a_copy(self) -> None:
        master = LineOwner(9600)
        again = Request(1, 3, 0x20, 2)
        reply = registers(READ, [1, 2])
        ask(master, READ, 0.0)
        master.receive(reply, 0.05)
        assert ask(master, again, 0.055) == b""
        copy_s = 0.05 + len(reply) * CHARACTER_S
        assert master.poll(copy_s - 0.001) == b""
        # It comes, whole: the line must be silent again before anything is sent.
        master.receive(reply, copy_s)
        assert master.counters[1].late == len(reply)
        assert master.poll(copy_s + 0.029) == b""
        assert master.poll(copy_s + 0.0301) == again.encode()
        assert [result.registers for result in master.results()] == [(1, 2)]

    def test_nothing_else_waits_for_it(self) -> None:
        gap_s = 3.5 * CHARACTER_S + 1e-6
        for other in (
            Request(1, 3, 0x20, 3),
            Request(2, 3, 0x20, 2),
            Request(1, 6, 3, values=(1,)),
            Request(1, 4, 0, 2),
        ):
            master = LineOwner(9600)
            ask(master, READ, 0.0)
            master.receive(registers(READ, [1, 2]), 0.05)
            assert ask(master, other, 0.05 + gap_s) == other.encode()

    def test_without_a_copy_the_wait_is_that_long(self) -> None:
        master = LineOwner(9600)
        ask(master, READ, 0.0)
        master.receive(registers(READ, [1, 2]), 0.05)
        master.submit(READ, 0.05)
        due_s = master.next_due(0.05)
        assert due_s == pytest.approx(0.05 + (9 + 3.5) * CHARACTER_S, abs=1e-6)


class TestOutage:
    """A fast device that was silent is heard again soon, and costs little meanwhile."""

    @staticmethod
    def heard_again_after_s(outage_s: float) -> tuple[float, int]:
        begin_s = 60.0
        block = PollBlock(Request(1, 2, 0, 8, lifetime_s=1.0), 0.02)
        timing = DeviceTiming(latency_s=0.05, period_s=0.02)
        master = LineOwner(115200)
        board = _Polled(1, block, timing)

        def slave(data: bytes, at_s: float) -> list[tuple[float, bytes]]:
            if begin_s <= at_s < begin_s + outage_s:
                return []
            if data[1] > 2:
                return [(at_s + 0.004, framed(bytes((1, data[1] | 0x80, 1))))]
            return [(at_s + 0.004, framed(bytes((1, data[1], 1, 0))))]

        line = VirtualLine(master, [board], slave, 10 / 115200)
        line.run(10.0 + outage_s + 8.0)
        times = [result.at_s for result in line.results if result.ok]
        first = min(at_s for at_s in times if at_s >= begin_s + outage_s)
        return first - begin_s - outage_s, master.counters[1].timeouts

    @pytest.mark.parametrize("outage_s", [0.1, 0.5, 0.9, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0])
    def test_at_most_a_quarter_longer(self, outage_s: float) -> None:
        late_s, _ = self.heard_again_after_s(outage_s)
        # One pause, and one time-out that began while the device was still silent.
        assert late_s <= max(0.1, 0.25 * outage_s) + 0.15

    def test_a_long_outage_costs_one_time_out_in_five_seconds(self) -> None:
        _, short = self.heard_again_after_s(40.0)
        _, long = self.heard_again_after_s(140.0)
        assert long - short <= 100 / 5


class _Polled:
    """A device with one block; ``seen`` holds the times of its values."""

    def __init__(self, address: int, block: PollBlock[Request], timing: DeviceTiming) -> None:
        self.name = f"device {address}"
        self.address = address
        self.timing = timing
        self.block = block
        self.seen: list[float] = []

    def requests(self, now_s: float) -> list[Request]:
        request = self.block.take(now_s)
        return [] if request is None else [request]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        self.block.done()
        if result.ok:
            self.seen.append(result.at_s)
            return [("value", Reading(result.registers[0] if result.registers else 0, "1", result.at_s))]
        return []

    def next_due(self, now_s: float) -> float:
        return max(now_s, self.block.next_due())


def meters(count: int, period_s: float, registers_: int = 20) -> list[_Polled]:
    timing = DeviceTiming(latency_s=0.1, minimum_gap_s=0.005, period_s=period_s)
    return [
        _Polled(
            address,
            PollBlock(Request(address, 3, 0, registers_, priority=2, lifetime_s=2 * period_s), period_s),
            timing,
        )
        for address in range(1, count + 1)
    ]


def answering(dead: set[int], latency_s: float = 0.02) -> Slave:
    def slave(data: bytes, at_s: float) -> list[tuple[float, bytes]]:
        address, function, _, count = struct.unpack(">BBHH", data[:6])
        if address in dead:
            return []
        body = bytes((address, function, 2 * count)) + bytes(2 * count)
        return [(at_s + latency_s + (len(body) + 2) * CHARACTER_S, framed(body))]

    return slave


def gaps_s(device: _Polled) -> list[float]:
    return [b - a for a, b in pairwise(device.seen)]


class TestManyMeters:
    """Sixteen on one line: none is forgotten, and a dead one costs the others one time-out per back-off period."""

    def test_sixteen_meters_are_all_fresh(self) -> None:
        devices = meters(16, 2.0)
        line = VirtualLine(LineOwner(9600), devices, answering(set()), CHARACTER_S)
        line.run(120.0)
        # 16 times 83 ms fit into the period.
        assert all(max(gaps_s(device)) <= 2.1 for device in devices)
        assert all(len(device.seen) >= 59 for device in devices)
        wire, taken = line.master.use.shares(line.now_s)
        assert wire == pytest.approx(16 * 53 * CHARACTER_S / 2.0, rel=0.05)
        assert taken == pytest.approx(16 * (53 * CHARACTER_S + 0.02) / 2.0, rel=0.05)

    def test_a_line_that_is_too_full_stays_fair(self) -> None:
        devices = meters(16, 0.5)
        line = VirtualLine(LineOwner(9600), devices, answering(set()), CHARACTER_S)
        line.run(120.0)
        counts = [len(device.seen) for device in devices]
        assert max(counts) - min(counts) <= 0.1 * max(counts)
        # One round of all: 16 times (wire 55 ms, device 20 ms, gap 4 ms).
        assert all(max(gaps_s(device)) <= 1.6 for device in devices)
        _, taken = line.master.use.shares(line.now_s)
        assert taken > 0.93

    def test_one_dead_meter_among_eight(self) -> None:
        devices = meters(8, 1.0)
        line = VirtualLine(LineOwner(9600), devices, answering({4}), CHARACTER_S)
        line.run(60.0)
        time_out_s = 53 * CHARACTER_S + 0.1 + 0.02 + 2 * 3.5 * CHARACTER_S
        drain_s = 0.03
        assert all(max(gaps_s(device)) <= 1.0 + time_out_s + drain_s + 0.1 for device in devices if device.address != 4)
        assert all(len(device.seen) >= 59 for device in devices if device.address != 4)
        # Pauses of 1, 2, 4, 5, 5, ... s
        assert line.master.counters[4].timeouts <= 3 + 60 / 5

    def test_a_meter_that_dies_is_known_within_three_polls(self) -> None:
        devices = meters(8, 1.0)
        dead: set[int] = set()
        line = VirtualLine(LineOwner(9600), devices, answering(dead), CHARACTER_S)
        line.run(10.3)
        assert line.master.failing_since_s(4) is None
        dead.add(4)
        died_s = line.now_s
        while line.master.failing_since_s(4) is None and line.now_s < died_s + 10.0:
            line.run(0.01)
        assert line.now_s - died_s <= 3 * 1.0
        dead.clear()
        line.run(6.0)
        assert line.master.failing_since_s(4) is None


class TestTwoProtocols:
    """Modbus and DL/T 645 on one line."""

    @staticmethod
    def line(latency_s: float) -> tuple[VirtualLine, list[int]]:
        modbus = meters(1, 1.0)[0]
        items = (Item(0x00010000, 4, "meter_energy_wh", "Wh"),)
        energy = Dlt645Meter(
            [Read(0x00010000, items), Read(0x02010100, (Item(0x02010100, 2, "meter_voltage_v", "V"),))],
            NUMBER,
            1.0,
            latency_s=0.3,
        )
        turn = [0]

        def slave(data: bytes, at_s: float) -> list[tuple[float, bytes]]:
            requests = find_frames(data)
            if not requests:
                return answering(set())(data, at_s)
            [request] = requests
            assert (request.address, request.control) == (NUMBER, 0x11)
            turn[0] += 1
            length = {0x00: 4, 0x02: 2, 0x04: 6}[request.data[3]]
            # Every value says which request it answers.
            digits = f"{turn[0]:0{2 * length}d}"
            reply = encode_frame(Frame(NUMBER, 0x91, request.data + bytes.fromhex(digits)[::-1]))
            return [(at_s + latency_s + len(reply) * CHARACTER_S, reply)]

        return VirtualLine(LineOwner(9600, 10), [modbus, energy], slave, CHARACTER_S), turn

    def test_both_are_read(self) -> None:
        line, _ = self.line(0.05)
        line.run(30.0)
        names = [name for _, name, _ in line.readings]
        assert [names.count(name) for name in ("value", "meter_energy_wh", "meter_voltage_v")] == pytest.approx(
            [30, 30, 30], abs=1
        )
        counters = [line.master.counters[1], line.master.counters[NUMBER]]
        assert all(c.timeouts == c.late == c.mismatched == c.crc == 0 for c in counters)

    def test_a_meter_that_answers_late_never_gives_an_old_value(self) -> None:
        line, turn = self.line(0.45)
        line.run(60.0)
        energy = [r for r in line.results if r.ok and r.request.address == NUMBER]
        # Each value that was accepted answers the last request that had been sent: its number is the newest.
        assert all(int(r.data[::-1].hex()) <= turn[0] for r in energy)
        assert line.master.counters[NUMBER].timeouts > 3
        assert line.master.counters[1].timeouts == 0


def gateway_reply(sent: bytes, body: bytes) -> bytes:
    return sent[:4] + len(body).to_bytes(2, "big") + body


class TestTcp:
    """Modbus TCP through the same owner."""

    @staticmethod
    def master() -> LineOwner:
        master = LineOwner(9600, framing=MbapFraming(), network_s=0.3)
        for address in (1, 2):
            master.attach(address, DeviceTiming(latency_s=0.1, period_s=1.0))
        return master

    def test_frames_are_those_of_the_messaging_guide(self) -> None:
        master = self.master()
        assert ask(master, Request(1, 3, 0x6B, 3), 0.0) == bytes.fromhex("0001 0000 0006 01 03 006B 0003")

    def test_a_reply_by_its_number(self) -> None:
        master = self.master()
        sent = ask(master, READ, 0.0)
        body = bytes((1, 3, 4, 0, 7, 0, 8))
        reply = gateway_reply(sent, body)
        for byte in reply[:-1]:
            master.receive(bytes((byte,)), 0.01)
        assert not master.has_results
        master.receive(reply[-1:], 0.02)
        [result] = master.results()
        assert (result.registers, result.at_s) == ((7, 8), 0.02)

    @pytest.mark.parametrize(
        "change",
        [
            lambda sent, body: gateway_reply(b"\x00\x09" + sent[2:], body),
            lambda sent, body: gateway_reply(sent, b"\x02" + body[1:]),
            lambda sent, body: gateway_reply(sent, body[:1] + b"\x04" + body[2:]),
            lambda sent, body: gateway_reply(sent, bytes((1, 3, 2, 0, 7))),
            lambda sent, body: gateway_reply(sent, bytes((1, 3, 4, 0, 7, 0))),
            lambda sent, body: gateway_reply(sent, body + b"\x00"),
            lambda sent, body: gateway_reply(sent, b"\x01\x84\x02"),
            lambda sent, body: gateway_reply(sent, b"\x01\x83\x02\x00"),
            lambda sent, body: sent[:2] + b"\x00\x01" + gateway_reply(sent, body)[4:],
        ],
    )
    def test_what_does_not_fit_is_no_value(self, change: Callable[[bytes, bytes], bytes]) -> None:
        master = self.master()
        sent = ask(master, READ, 0.0)
        master.receive(change(sent, bytes((1, 3, 4, 0, 7, 0, 8))), 0.02)
        assert not master.has_results
        master.poll(5.0)
        [result] = master.results()
        assert not result.ok

    def test_a_late_reply_is_told_by_its_number_and_costs_nothing(self) -> None:
        master = self.master()
        late = gateway_reply(ask(master, READ, 0.0), bytes((1, 3, 4, 0xBA, 0xD0, 0xBA, 0xD0)))
        master.poll(1.0)
        assert master.results()[0].error == "timeout"
        neighbour = Request(2, 3, 0x10, 2)
        sent = ask(master, neighbour, 1.0)
        assert sent, "nothing has to drain"
        master.receive(late + gateway_reply(sent, bytes((2, 3, 4, 0, 1, 0, 2))), 1.02)
        [result] = master.results()
        assert (result.request, result.registers) == (neighbour, (1, 2))
        assert master.counters[2].late == len(late)
        # The same block again, without a probe.
        sent = ask(master, READ, 3.0)
        assert sent[-4:] == bytes.fromhex("0010 0002")
        master.receive(late, 3.01)
        assert not master.has_results

    def test_bytes_that_nobody_waits_for_do_not_hold_up(self) -> None:
        master = self.master()
        master.receive(b"\x00\x01\x00\x00\x00\x06", 0.0)
        assert master.counters[0].late == 6
        sent = ask(master, READ, 0.0)
        # The rest of the frame of which the begin was thrown away comes before the awaited one.
        master.receive(b"\x01\x03\x00\x00\x00\x05" + gateway_reply(sent, bytes((1, 3, 4, 0, 7, 0, 8))), 0.01)
        [result] = master.results()
        assert result.registers == (7, 8)

    @pytest.mark.parametrize(("code", "backs_off"), [(0x0A, True), (0x0B, True), (0x02, False)])
    def test_a_gateway_that_does_not_reach_the_meter(self, code: int, backs_off: bool) -> None:
        master = self.master()
        sent = ask(master, READ, 0.0)
        master.receive(gateway_reply(sent, bytes((1, 0x83, code))), 0.05)
        [result] = master.results()
        assert (result.error, result.exception_code) == ("exception", code)
        assert (ask(master, READ, 0.1) == b"") is backs_off
        assert master.counters[1].exceptions == 1

    def test_numbers_begin_again(self) -> None:
        framing = MbapFraming()
        numbers = {framing.wrap(READ)[:2] for _ in range(0x10001)}
        assert len(numbers) == 0x10000


def test_line_use_is_a_share_of_the_last_seconds() -> None:
    use = LineUse()
    assert use.shares(0.0) == (0.0, 0.0)
    for second in range(1, 41):
        use.add(float(second), 0.25, 0.5)
    wire, taken = use.shares(40.0)
    assert wire == pytest.approx(0.25, abs=0.03)
    assert taken == pytest.approx(0.5, abs=0.06)
    assert use.shares(51.0)[0] < 0.25
    assert use.shares(75.0) == (0.0, 0.0)
    use.add(75.0, 1.0, 9.0)
    assert use.shares(75.0)[1] <= 1.0


def test_a_lost_port_does_not_forget_who_is_silent() -> None:
    master = LineOwner(9600)
    for now_s in (0.0, 10.0):
        assert ask(master, READ, now_s)
        master.poll(now_s + 5.0)
    assert master.failing_since_s(1) == pytest.approx(5.0)
    master.reset(20.0)
    assert master.failing_since_s(1) == pytest.approx(5.0)


def test_speeds_and_periods_must_be_positive() -> None:
    for baud, bits in ((0, 10), (9600, 0)):
        with pytest.raises(ValueError, match="positive"):
            LineOwner(baud, bits)
    with pytest.raises(ValueError, match="positive"):
        PollBlock(READ, 0.0)


def test_a_port_that_is_lost_during_a_probe_gives_the_read_up_once() -> None:
    master = LineOwner(9600)
    master.attach(1, DeviceTiming(latency_s=0.1, period_s=0.05))
    ask(master, READ, 0.0)
    master.poll(0.5)
    master.results()
    probe = ask(master, READ, 0.7)
    assert probe
    assert probe != READ.encode()
    master.reset(0.8)
    assert [(result.request, result.error) for result in master.results()] == [(READ, "port lost")]


def test_the_reply_is_found_behind_any_amount_of_noise() -> None:
    master = LineOwner(9600)
    ask(master, READ, 0.0)
    for _ in range(10):
        master.receive(b"\x55" * 100, 0.02)
    master.receive(registers(READ, [5, 6]), 0.03)
    assert master.results()[0].registers == (5, 6)
