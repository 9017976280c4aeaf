"""Relay and analogue boards, in virtual time."""

from itertools import pairwise

import msgspec
import pytest
from boards import ANALOG, RELAYS, WATCHDOG, board_of, modbus_model

from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.line.owner import Result
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Quality

WIRING = Wires(
    outputs={
        "contactor_k1": OutputWire(0, True),
        "contactor_k2": OutputWire(1, True),
        "fan": OutputWire(6, False),
    },
    inputs={"door_open": InputWire(1, True), "contactor_k1_closed": InputWire(3, False)},
)


def answered(request: Request, at_s: float, bits: tuple[bool, ...] = ()) -> Result:
    return Result(request, bits=bits, at_s=at_s)


def failed(request: Request, at_s: float) -> Result:
    return Result(request, error="timeout", at_s=at_s)


def writes(requests: list[Request]) -> list[tuple[int, int, int]]:
    return [(r.register, r.values[0], r.priority) for r in requests if r.function == 5]


class Rig:
    """A board driver whose device answers everything at once, unless told otherwise."""

    def __init__(self) -> None:
        self.board = board_of(RELAYS, WIRING)
        self.coils = [False] * 8
        self.dead = False

    def turn(self, now_s: float) -> list[tuple[int, int, int]]:
        requests = self.board.requests(now_s)
        for request in requests:
            if self.dead:
                self.board.accept(failed(request, now_s))
            else:
                self.board.accept(answered(request, now_s, tuple(self.coils)))
        return writes(requests)


@pytest.fixture
def rig() -> Rig:
    started = Rig()
    assert started.turn(0.0) == [(0, 0, 0), (1, 0, 0), (6, 0, 0)]
    return started


def test_at_start_every_output_is_written_off_once(rig: Rig) -> None:
    assert [rig.turn(t / 100) for t in range(1, 50)] == [[]] * 49
    assert rig.board.wanted == {"contactor_k1": False, "contactor_k2": False, "fan": False}


def test_a_timed_output_is_a_pulse_that_is_renewed(rig: Rig) -> None:
    rig.board.set_output("contactor_k1", True, 0.1)
    sent = {round(t / 100, 2): w for t in range(10, 110) if (w := rig.turn(t / 100))}
    assert sent == {0.1: [(0x200, 10, 1)], 0.4: [(0x200, 10, 1)], 0.7: [(0x200, 10, 1)], 1.0: [(0x200, 10, 1)]}


def test_a_renewal_is_never_sent_later_than_the_next_one(rig: Rig) -> None:
    rig.board.set_output("contactor_k1", True, 0.1)
    [renewal] = [r for r in rig.board.requests(0.1) if r.function == 5]
    assert renewal.lifetime_s == pytest.approx(0.3)


def test_an_untimed_output_is_a_coil_written_until_acknowledged(rig: Rig) -> None:
    rig.board.set_output("fan", True, 0.1)
    rig.dead = True
    assert rig.turn(0.1) == [(6, 0xFF00, 1)]
    assert any(rig.turn(0.1 + t / 100) == [(6, 0xFF00, 1)] for t in range(1, 40))
    rig.dead = False
    rig.coils[6] = True
    assert any(rig.turn(0.6 + t / 100) == [(6, 0xFF00, 1)] for t in range(1, 40))
    assert not any(rig.turn(1.1 + t / 100) for t in range(1, 40))


def test_off_is_immediate_and_first_even_while_an_on_is_outstanding(rig: Rig) -> None:
    rig.board.set_output("contactor_k1", True, 0.1)
    [on] = [r for r in rig.board.requests(0.1) if r.function == 5]
    rig.board.set_output("contactor_k1", False, 0.11)
    [off] = [r for r in rig.board.requests(0.11) if r.function == 5]
    assert (off.register, off.values, off.priority) == (0, (0,), 0)
    # The same tag: the owner of the line drops the "on" if it is still queued.
    assert off.tag == on.tag
    # The late success of the "on" does not count as success of the "off".
    rig.board.accept(answered(on, 0.12))
    rig.board.accept(failed(off, 0.13))
    assert writes(rig.board.requests(0.13)) == [(0, 0, 0)]


def test_off_is_repeated_until_acknowledged_at_growing_distance(rig: Rig) -> None:
    rig.board.set_output("contactor_k1", True, 0.1)
    rig.turn(0.1)
    rig.dead = True
    rig.board.set_output("contactor_k1", False, 0.2)
    times = [t / 100 for t in range(20, 620) if rig.turn(t / 100)]
    assert times[:2] == [0.2, 0.21]
    gaps = [round(b - a, 2) for a, b in pairwise(times[1:])]
    assert gaps[:5] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert set(gaps[5:]) == {1.0}
    rig.dead = False
    assert any(rig.turn(6.2 + t / 100) == [(0, 0, 0)] for t in range(120))
    assert not any(rig.turn(7.5 + t / 100) for t in range(120))


def test_a_dead_board_gets_one_repetition_at_a_time_but_a_new_off_at_once(rig: Rig) -> None:
    for name in ("contactor_k1", "contactor_k2", "fan"):
        rig.board.set_output(name, True, 0.1)
    rig.turn(0.1)
    rig.dead = True
    rig.board.set_output("contactor_k1", False, 0.2)
    rig.board.set_output("fan", False, 0.2)
    assert [write for write in rig.turn(0.2) if write[2] == 0] == [(0, 0, 0), (6, 0, 0)]
    offs = [[write for write in rig.turn(0.2 + t / 100) if write[2] == 0] for t in range(1, 100)]
    assert max(len(each) for each in offs) == 1
    rig.board.set_output("contactor_k2", False, 1.2)
    assert (1, 0, 0) in rig.turn(1.2)


def test_all_off_writes_what_is_on(rig: Rig) -> None:
    rig.board.set_output("contactor_k1", True, 0.1)
    rig.board.set_output("fan", True, 0.1)
    rig.turn(0.1)
    rig.board.all_off(0.2)
    rig.board.all_off(0.2)
    assert rig.turn(0.2) == [(0, 0, 0), (6, 0, 0)]
    rig.board.all_off(0.21)
    assert rig.turn(0.21) == []


def test_read_back_writes_again_what_the_board_lost(rig: Rig) -> None:
    rig.board.set_output("fan", True, 0.1)
    assert rig.turn(0.1) == [(6, 0xFF00, 1)]
    # The board restarted: its coil is off although the write was acknowledged.
    again = [t for t in range(11, 120) if rig.turn(t / 100) == [(6, 0xFF00, 1)]]
    assert len(again) == 1
    assert rig.board.read_back["fan"].value is False


def test_read_back_opens_what_is_closed_against_the_command(rig: Rig) -> None:
    rig.coils[1] = True
    sent = [w for t in range(1, 130) if (w := rig.turn(t / 100))]
    assert sent == [[(1, 0, 0)]]


def test_inputs_follow_the_wiring_and_carry_the_time_of_arrival() -> None:
    board = board_of(RELAYS, WIRING)
    [request] = [r for r in board.requests(0.0) if r.function == 2]
    assert (request.register, request.count, request.priority) == (0, 8, 1)
    bits = (False, False, False, True, False, False, False, False)
    readings = dict(board.accept(answered(request, 0.005, bits)))
    assert {name: (r.value, r.at_s) for name, r in readings.items()} == {
        "door_open": (True, 0.005),
        "contactor_k1_closed": (True, 0.005),
    }
    [request] = [r for r in board.requests(0.02) if r.function == 2]
    readings = dict(board.accept(answered(request, 0.025, (False, True, *[False] * 6))))
    assert {name: r.value for name, r in readings.items()} == {"door_open": False, "contactor_k1_closed": False}


def test_inputs_are_polled_on_their_beat_and_never_twice_at_a_time() -> None:
    board = board_of(RELAYS, WIRING)
    asked = []
    for millisecond in range(0, 1000, 5):
        now_s = millisecond / 1000
        for request in board.requests(now_s):
            if request.function == 2:
                asked.append(now_s)
            board.accept(answered(request, now_s, (False,) * 8))
    assert len(asked) == 50
    outstanding = board_of(RELAYS, WIRING)
    assert sum(r.function == 2 for t in range(100) for r in outstanding.requests(t / 100)) == 1


def test_a_failed_read_gives_no_signal(rig: Rig) -> None:
    [request] = [r for r in rig.board.requests(1.5) if r.function == 2]
    assert rig.board.accept(failed(request, 1.6)) == []


def test_a_wiring_that_cannot_work_is_refused() -> None:
    twice = Wires(outputs={"a": OutputWire(0, True), "b": OutputWire(0, True)})
    with pytest.raises(ValueError, match="output channel is used twice"):
        board_of(RELAYS, twice)
    with pytest.raises(ValueError, match="input channel is not within"):
        board_of(RELAYS, Wires(inputs={"a": InputWire(8, True)}))
    with pytest.raises(ValueError, match="analogue channel is not within"):
        board_of(RELAYS, Wires(analog={"a_v": AnalogWire(0, "V")}))
    with pytest.raises(ValueError, match="cannot open"):
        board_of("relay-r421a08", Wires(outputs={"a": OutputWire(0, True)}))


def test_analogue_values_are_scaled_and_impossible_ones_are_failed() -> None:
    board = board_of(
        ANALOG,
        Wires(
            analog={
                "outside_voltage_v": AnalogWire(1, "V", 0.11, 0.0, 0, 10500),
                "connector_temperature_plus_c": AnalogWire(3, "degC", 0.025, -50.0, 0, 10500),
                "cc1_voltage_v": AnalogWire(0, "V", 0.002, 0.0, 0, 10500),
            }
        ),
        2,
        0.05,
    )
    [request] = board.requests(0.0)
    assert (request.function, request.register, request.count) == (4, 0, 8)
    assert board.requests(0.2) == []
    registers = (0xFFFF, 5000, 0, 3000, 0, 0, 0, 0)
    readings = dict(board.accept(Result(request, registers, at_s=0.21)))
    assert readings["cc1_voltage_v"].quality is Quality.FAILED
    assert readings["outside_voltage_v"].value == pytest.approx(550.0)
    assert readings["connector_temperature_plus_c"].value == pytest.approx(25.0)
    assert readings["connector_temperature_plus_c"].unit == "degC"
    [request] = board.requests(0.22)
    for raw, quality in ((10000, Quality.GOOD), (10500, Quality.GOOD), (10501, Quality.FAILED)):
        got = dict(board.accept(Result(request, (raw, 0xFFFF, 0, 0xFFFF, 0, 0, 0, 0), at_s=0.3)))
        assert got["cc1_voltage_v"].quality is quality


def test_a_held_output_is_left_as_found_until_it_is_commanded() -> None:
    board = board_of(RELAYS, Wires({"lock": OutputWire(3, False), "k1": OutputWire(0, True)}), held=("lock",))
    registers = [request.register for request in board.requests(0.0) if request.function == codec.WRITE_COIL]
    assert registers == [0]
    board.all_off(0.0, keep=("lock",))
    assert board.wanted == {"lock": None, "k1": False}
    board.set_output("lock", False, 0.1)
    assert [request.register for request in board.requests(0.1) if request.function == codec.WRITE_COIL] == [3]


class Watched:
    """A board with a watchdog: its register, its relays, and the requests that it has taken."""

    def __init__(self) -> None:
        wires = Wires({"contactor_k1": OutputWire(0, True), "fan": OutputWire(3, False)})
        self.board = board_of(WATCHDOG, wires, interval_s=0.05)
        self.watchdog = 0
        self.takes_writes = True
        self.coils = [False] * 6
        self.log: list[tuple[float, int, int, tuple[int, ...]]] = []

    def run(self, begin_s: float, end_s: float) -> None:
        for step in range(round((end_s - begin_s) * 100)):
            now_s = begin_s + step / 100
            for request in self.board.requests(now_s):
                self.log.append((now_s, request.function, request.register, request.values))
                self.board.accept(self.answer(request, now_s))

    def answer(self, request: Request, now_s: float) -> Result:
        if request.function == 3:
            return Result(request, registers=(self.watchdog,), at_s=now_s)
        if request.function == 6 and self.takes_writes:
            self.watchdog = request.values[0]
        if request.function == 5:
            self.coils[request.register] = request.values[0] == 0xFF00
        return Result(request, bits=tuple(self.coils), at_s=now_s)


def test_a_timed_output_is_closed_only_once_the_watchdog_reads_as_set() -> None:
    rig = Watched()
    rig.takes_writes = False
    rig.board.set_output("contactor_k1", True, 0.0)
    rig.board.set_output("fan", True, 0.0)
    rig.run(0.0, 3.0)
    assert not rig.board.is_guarded
    assert rig.coils == [False, False, False, True, False, False]
    assert rig.board.wanted["contactor_k1"] is True
    rig.takes_writes = True
    rig.run(3.0, 6.0)
    assert rig.watchdog == 2
    assert rig.board.wanted == {"contactor_k1": True, "fan": True}
    assert rig.coils[0]


def test_an_output_opens_when_the_watchdog_is_found_unset_and_closes_again_with_it() -> None:
    rig = Watched()
    rig.board.set_output("contactor_k1", True, 0.0)
    states = []
    for begin_s, watchdog, takes_writes in ((0.0, 0, True), (3.0, 0, False), (6.0, 0, True)):
        rig.watchdog, rig.takes_writes = watchdog, takes_writes
        rig.run(begin_s, begin_s + 3.0)
        states.append(rig.coils[0])
    assert states == [True, False, True]


def test_a_watchdog_that_cannot_be_read_changes_nothing() -> None:
    rig = Watched()
    rig.run(0.0, 3.0)
    assert rig.board.is_guarded
    [request] = [r for r in rig.board.requests(4.5) if r.tag == "watchdog"]
    assert rig.board.accept(failed(request, 4.6)) == []
    assert rig.board.is_guarded
    assert not any(r.function == 6 for r in rig.board.requests(4.7))


def test_a_board_without_wired_outputs_is_only_read_and_knows_no_output() -> None:
    board = board_of(RELAYS, Wires(inputs={"door_open": InputWire(1, True)}))
    assert (board.wanted, board.read_back, board.is_guarded) == ({}, {}, False)
    asked = [r for t in range(300) for r in board.requests(t / 100) if board.accept(answered(r, t / 100, (False,) * 8))]
    assert {(r.function, r.register, r.count) for r in asked} == {(2, 0, 8)}
    with pytest.raises(KeyError):
        board.set_output("contactor_k1", True, 0.0)


def test_a_result_of_something_else_is_nothing() -> None:
    board = board_of(RELAYS, WIRING)
    assert board.accept(Result(Request(1, 2, 0, 8, tag="stranger"), at_s=1.0)) == []
    analog = board_of(ANALOG, Wires(analog={"a_v": AnalogWire(0, "V")}))
    [request] = analog.requests(0.0)
    assert analog.accept(Result(request, error="timeout", at_s=0.5)) == []


def test_registers_hold_one_relay_each_and_function_6_switches_them() -> None:
    board = board_of("relay-r421a08", Wires({"fan": OutputWire(2, False)}), interval_s=0.1)
    requests = board.requests(0.0)
    assert [(r.function, r.register, r.values) for r in requests if r.values] == [(6, 3, (0x0200,))]
    [read] = [r for r in requests if not r.values]
    assert (read.function, read.register, read.count) == (3, 1, 8)
    board.set_output("fan", True, 0.1)
    [on] = [r for r in board.requests(0.1) if r.values]
    assert (on.function, on.register, on.values, on.priority) == (6, 3, (0x0100,), 1)
    board.accept(answered(on, 0.12))
    board.accept(Result(read, registers=(0, 0, 1, 0, 0, 0, 0, 0), at_s=0.2))
    assert board.read_back["fan"].value is True
    board.accept(Result(read, registers=(0,) * 8, at_s=0.3))
    assert [r.values for r in board.requests(0.3) if r.values] == [(0x0100,)]


def test_bits_packed_in_registers() -> None:
    model = modbus_model("modbus-inputs-8ch")
    assert model.inputs is not None
    read = msgspec.structs.replace(model.inputs.read, function=3)
    packed = msgspec.structs.replace(model, inputs=msgspec.structs.replace(model.inputs, read=read, channels=20))
    board = ModbusBoard(packed, Wires(inputs={"a": InputWire(0, False), "b": InputWire(17, False)}), 1, 0.1)
    [request] = board.requests(0.0)
    assert (request.function, request.count) == (3, 2)
    got = dict(board.accept(Result(request, registers=(0x0000, 0x0002), at_s=0.1)))
    assert (got["a"].value, got["b"].value) == (False, True)


def test_signed_raw_values_and_codes_of_a_broken_sensor() -> None:
    wires = Wires(analog={"a_c": AnalogWire(0, "degC", 0.1, 0.0, -500, 2000), "b_c": AnalogWire(1, "degC", 0.1)})
    board = board_of("rtd-2ch", wires, interval_s=0.5)
    [request] = board.requests(0.0)
    got = dict(board.accept(Result(request, registers=(0xFF9C, 30000), at_s=0.1)))
    assert got["a_c"].value == pytest.approx(-10.0)
    assert got["a_c"].quality is Quality.GOOD
    assert got["b_c"].quality is Quality.FAILED
