"""Both boards behind one bus owner, with boards that can die or answer late, in virtual time."""

import struct

import boards
import pytest

from agent.vocabulary.signals import SIGNALS
from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.line.owner import LineOwner
from drivers.modbus import codec

RELAYS, ANALOG = 1, 2
CYCLE_S = 0.005


class Line:
    """The owner, two drivers and two boards; ``delay_s`` is the time a board takes to answer, None for never."""

    def __init__(self) -> None:
        wires = Wires(
            {
                "contactor_k1": OutputWire(0, True),
                "contactor_k2": OutputWire(1, True),
                "auxiliary_supply": OutputWire(2, True),
                "discharge": OutputWire(4, True),
                "insulation_monitor": OutputWire(5, True),
                "fan": OutputWire(6, False),
            },
            {"door_open": InputWire(1, False)},
        )
        self.relays = boards.board_of(boards.RELAYS, wires, RELAYS)
        analog_wires = Wires(analog={"outside_voltage_v": AnalogWire(1, "V", 0.11)})
        self.analog = boards.board_of(boards.ANALOG, analog_wires, ANALOG, 0.05)
        self.master = LineOwner(115200)
        for device in (self.relays, self.analog):
            self.master.attach(device.address, device.timing)
        self.delay_s: dict[int, float | None] = {RELAYS: 0.004, ANALOG: 0.004}
        self.replies: list[tuple[float, bytes]] = []
        self.writes: list[tuple[float, int, int]] = []
        self.opens_at_s = dict.fromkeys(range(8), 0.0)
        self.seen_s: dict[str, float] = {}
        self.gap_s: dict[str, float] = {}
        self.now_s = 10.0

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / CYCLE_S)):
            self.now_s += CYCLE_S
            while self.replies and self.replies[0][0] <= self.now_s:
                self.master.receive(self.replies.pop(0)[1], self.now_s)
            for device in (self.relays, self.analog):
                for request in device.requests(self.now_s):
                    self.master.submit(request, self.now_s)
            data = self.master.poll(self.now_s)
            if data:
                self.board(data)
            for result in self.master.results():
                driver = self.relays if result.request.address == RELAYS else self.analog
                for name, reading in driver.accept(result):
                    last_s = self.seen_s.get(name, reading.at_s)
                    self.gap_s[name] = max(self.gap_s.get(name, 0.0), reading.at_s - last_s)
                    self.seen_s[name] = reading.at_s

    def board(self, data: bytes) -> None:
        address, function, register, value = struct.unpack(">BBHH", data[:6])
        delay_s = self.delay_s[address]
        if delay_s is None:
            return
        if function == 5:
            self.writes.append((self.now_s, register, value))
            if register >= 0x200:
                self.opens_at_s[register - 0x200] = self.now_s + value / 10
            elif register in self.opens_at_s:
                self.opens_at_s[register] = self.now_s
            body = data[:6]
        elif function == 4:
            body = bytes((address, 4, 2 * value)) + struct.pack(f">{value}H", *[5000] * value)
        else:
            coils = sum(1 << channel for channel, at_s in self.opens_at_s.items() if at_s > self.now_s)
            body = bytes((address, function, 1, coils))
        self.replies.append((self.now_s + delay_s, body + codec.checksum(body)))

    def closed(self, channel: int) -> bool:
        return self.opens_at_s[channel] > self.now_s

    def close_contactors(self) -> None:
        for name in ("contactor_k1", "contactor_k2"):
            self.relays.set_output(name, True, self.now_s)


def test_contactors_stay_closed_while_renewed_and_inputs_keep_their_beat() -> None:
    line = Line()
    line.run(1.0)
    line.close_contactors()
    line.run(0.1)
    for _ in range(1000):
        line.run(0.01)
        assert line.closed(0)
        assert line.closed(1)
    assert line.gap_s["door_open"] < 0.06
    assert line.gap_s["outside_voltage_v"] < 0.15
    assert all(counters.timeouts == 0 for counters in line.master.counters.values())


def test_off_reaches_the_board_within_one_exchange() -> None:
    line = Line()
    line.close_contactors()
    line.run(2.0)
    line.relays.all_off(line.now_s)
    line.run(0.04)
    assert not line.closed(0)
    assert not line.closed(1)
    # Nothing closes them again, whatever was queued or on its way.
    before = len(line.writes)
    line.run(5.0)
    assert all(register < 0x200 for _, register, _ in line.writes[before:])


@pytest.mark.parametrize("delay_s", [0.01, 0.02, 0.03, 0.04])
def test_boards_so_slow_that_the_line_is_full_starve_nobody(delay_s: float) -> None:
    line = Line()
    line.delay_s = {RELAYS: delay_s, ANALOG: delay_s}
    line.close_contactors()
    for name in ("auxiliary_supply", "discharge", "insulation_monitor"):
        line.relays.set_output(name, True, line.now_s)
    line.run(1.0)
    line.gap_s.clear()
    for _ in range(2000):
        line.run(0.01)
        assert line.closed(0)
        assert line.closed(1)
        # A value that never comes again has no gap: its age counts as well.
        for name in ("door_open", "outside_voltage_v"):
            assert line.now_s - line.seen_s[name] < SIGNALS[name].age_limit_s
    assert all(counters.timeouts == 0 for counters in line.master.counters.values())
    line.relays.all_off(line.now_s)
    line.run(5 * delay_s + 3 * CYCLE_S)
    assert not line.closed(0)
    assert not line.closed(1)


def test_a_dead_relay_board_leaves_the_analogue_values_fresh_and_drops_its_contactors() -> None:
    line = Line()
    line.close_contactors()
    line.run(2.0)
    line.gap_s.clear()
    line.delay_s[RELAYS] = None
    line.run(1.1)
    assert not line.closed(0)
    line.relays.all_off(line.now_s)
    line.run(30.0)
    assert line.gap_s["outside_voltage_v"] < 0.5
    assert line.master.counters[RELAYS].timeouts < 80
    line.delay_s[RELAYS] = 0.004
    line.writes.clear()
    line.run(1.2)
    assert {(register, value) for _, register, value in line.writes} >= {(0, 0), (1, 0)}
    assert not any(register >= 0x200 for _, register, _ in line.writes)


def test_a_dead_analogue_board_does_not_disturb_the_contactors() -> None:
    line = Line()
    line.close_contactors()
    line.run(2.0)
    line.gap_s.clear()
    line.delay_s[ANALOG] = None
    for _ in range(3000):
        line.run(0.01)
        assert line.closed(0)
        assert line.closed(1)
    assert line.gap_s["door_open"] < 0.3


def test_a_board_that_answers_too_late_never_moves_an_output_late() -> None:
    line = Line()
    line.close_contactors()
    line.run(2.0)
    line.delay_s[RELAYS] = 0.3
    line.run(1.0)
    line.relays.all_off(line.now_s)
    commanded_s = line.now_s
    line.run(0.2)
    assert not line.closed(0)
    line.run(10.0)
    assert not any(at_s > commanded_s and register >= 0x200 for at_s, register, _ in line.writes)
