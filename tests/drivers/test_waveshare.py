"""Relay and analogue boards, in virtual time."""

from itertools import pairwise

import pytest

from drivers.inputs_outputs.waveshare import AnalogBoard, AnalogWiring, InputWiring, OutputWiring, RelayBoard, Wiring
from drivers.line.owner import Result
from drivers.modbus import codec
from drivers.modbus.codec import Request

WIRING = Wiring(
    outputs={
        "contactor_k1": OutputWiring(0, True),
        "contactor_k2": OutputWiring(1, True),
        "fan": OutputWiring(6, False),
    },
    inputs={"door_open": InputWiring(1, True), "contactor_k1_closed": InputWiring(3, False)},
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
        self.board = RelayBoard(WIRING, 1, 0.02)
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
    board = RelayBoard(WIRING, 1, 0.02)
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
    board = RelayBoard(WIRING, 1, 0.02)
    asked = []
    for millisecond in range(0, 1000, 5):
        now_s = millisecond / 1000
        for request in board.requests(now_s):
            if request.function == 2:
                asked.append(now_s)
            board.accept(answered(request, now_s, (False,) * 8))
    assert len(asked) == 50
    outstanding = RelayBoard(WIRING, 1, 0.02)
    assert sum(r.function == 2 for t in range(100) for r in outstanding.requests(t / 100)) == 1


def test_a_failed_read_gives_no_signal(rig: Rig) -> None:
    [request] = [r for r in rig.board.requests(1.5) if r.function == 2]
    assert rig.board.accept(failed(request, 1.6)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"pulse_100ms": 5, "renew_interval_s": 0.3},
        {"pulse_100ms": 0},
        {"channels": 4},
        {"outputs": {"a": OutputWiring(0, True), "b": OutputWiring(0, True)}},
    ],
)
def test_a_wiring_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    arguments: dict[str, object] = {"outputs": WIRING.outputs, "inputs": WIRING.inputs, **wrong}
    with pytest.raises(ValueError, match=r"pulse|channel"):
        Wiring(**arguments)  # type: ignore[arg-type]  # the arguments vary by case


def test_analogue_values_are_scaled_and_impossible_ones_are_absent() -> None:
    board = AnalogBoard(
        {
            "outside_voltage_v": AnalogWiring(1, 0.11, 0.0),
            "connector_temperature_plus_c": AnalogWiring(3, 0.025, -50.0, "degC"),
            "cc1_voltage_v": AnalogWiring(0, 0.002, 0.0),
        },
        2,
        0.05,
    )
    [request] = board.requests(0.0)
    assert (request.function, request.register, request.count) == (4, 0, 8)
    assert board.requests(0.2) == []
    registers = (0xFFFF, 5000, 0, 3000, 0, 0, 0, 0)
    readings = dict(board.accept(Result(request, registers, at_s=0.21)))
    assert readings.keys() == {"outside_voltage_v", "connector_temperature_plus_c"}
    assert readings["outside_voltage_v"].value == pytest.approx(550.0)
    assert readings["connector_temperature_plus_c"].value == pytest.approx(25.0)
    assert readings["connector_temperature_plus_c"].unit == "degC"
    [request] = board.requests(0.22)
    for raw, present in ((10000, True), (10500, True), (10501, False)):
        got = board.accept(Result(request, (raw, 0xFFFF, 0, 0xFFFF, 0, 0, 0, 0), at_s=0.3))
        assert bool(got) is present


def test_a_held_output_is_left_as_found_until_it_is_commanded() -> None:
    board = RelayBoard(
        Wiring({"lock": OutputWiring(3, False), "k1": OutputWiring(0, True)}, {}), 1, 0.02, held=("lock",)
    )
    registers = [request.register for request in board.requests(0.0) if request.function == codec.WRITE_COIL]
    assert registers == [0]
    board.all_off(0.0, keep=("lock",))
    assert board.wanted == {"lock": None, "k1": False}
    board.set_output("lock", False, 0.1)
    assert [request.register for request in board.requests(0.1) if request.function == codec.WRITE_COIL] == [3]
