"""The InfyPower modules of the bench: protocol vectors, ramps, limits and silence, in virtual time."""

import struct

import pytest

from drivers.can.frame import CanFrame
from hil_tests.bench.circuit import Battery, Circuit
from hil_tests.bench.power_stage import ForeignStage, PowerStage

ZEROS = bytes(8)
ALL_ON = CanFrame(0x029A3FF0, ZEROS)
ALL_OFF = CanFrame(0x029A3FF0, b"\x01" + bytes(7))


def set_total(voltage_v: float, current_a: float) -> CanFrame:
    return CanFrame(0x029B3FF0, struct.pack(">II", round(voltage_v * 1000), round(current_a * 1000)))


def set_each(voltage_v: float, current_a: float, destination: int = 0x3F) -> CanFrame:
    data = struct.pack(">II", round(voltage_v * 1000), round(current_a * 1000))
    return CanFrame(0x029C00F0 | destination << 8, data)


class Bench:
    """Stage and circuit with a load, stepped every 5 ms; the controller repeats its set point every 100 ms."""

    def __init__(self, battery: Battery | None = None) -> None:
        self.stage = PowerStage(2)
        self.circuit = Circuit()
        self.battery = battery or Battery()
        self.now_s = 0.0

    def send(self, frame: CanFrame) -> list[CanFrame]:
        return self.stage.receive(frame, self.now_s)

    def run(self, seconds: float, repeat: CanFrame | None = None) -> None:
        for step in range(round(seconds / 0.005)):
            if repeat is not None and step % 20 == 0:
                self.send(repeat)
            self.now_s += 0.005
            sources = self.stage.sources(0.005, self.now_s)
            self.circuit.step(0.005, sources, self.battery.connected, False, self.battery)
            self.stage.feed_back(self.circuit.module_voltage_v, self.circuit.source_currents_a)


def loaded(voltage_v: float = 400.0, resistance_ohm: float = 0.1) -> Bench:
    return Bench(Battery(voltage_v, resistance_ohm, connected=True))


def test_module_0_answers_command_9_with_millivolt_and_milliampere() -> None:
    bench = loaded(199.0, 0.2)
    bench.send(ALL_ON)
    bench.run(3.0, set_total(250.0, 10.0))
    replies = bench.send(CanFrame(0x028900F0, ZEROS))
    assert [reply.identifier for reply in replies] == [0x0289F000]
    voltage_mv, current_ma = struct.unpack(">II", replies[0].data)
    assert voltage_mv == pytest.approx(201_300, abs=50), "battery plus drop over 0.23 ohm"
    assert current_ma == pytest.approx(5000, abs=10)


def test_broadcast_reads_are_answered_by_each_module_and_system_reads_once() -> None:
    stage = PowerStage(3)
    status = stage.receive(CanFrame(0x02843FF0, ZEROS), 0.0)
    assert [reply.identifier for reply in status] == [0x0284F000, 0x0284F001, 0x0284F002]
    assert all(reply.data[6] & 1 for reply in status), "DC off"
    (count,) = stage.receive(CanFrame(0x02823FF0, ZEROS), 0.0)
    assert count.data == bytes([0, 0, 3, 0, 0, 0, 0, 0])


def test_group_reads_come_from_the_group_number() -> None:
    stage = PowerStage(2)
    stage.receive(CanFrame(0x029601F0, b"\x02" + bytes(7)), 0.0)
    (reply,) = stage.receive(CanFrame(0x02C802F0, ZEROS), 0.0)
    assert reply.identifier == 0x02C8F002
    (status,) = stage.receive(CanFrame(0x02C402F0, ZEROS), 0.0)
    assert (status.identifier, status.data[2]) == (0x02C4F001, 2)


def test_ratings_of_a_30_kw_module() -> None:
    (reply,) = PowerStage(1).receive(CanFrame(0x028A00F0, ZEROS), 0.0)
    assert struct.unpack(">HHHH", reply.data) == (1000, 150, 1000, 3000)


def test_empty_read_and_unknown_command_answer_with_error() -> None:
    stage = PowerStage(1)
    (bad_data,) = stage.receive(CanFrame(0x028900F0, b""), 0.0)
    assert bad_data.identifier >> 26 == 3
    (bad_command,) = stage.receive(CanFrame(0x02BF00F0, ZEROS), 0.0)
    assert bad_command.identifier >> 26 == 2


def test_others_on_the_line_are_ignored() -> None:
    stage = PowerStage(1)
    assert stage.receive(CanFrame(0x0289F000, ZEROS), 0.0) == []
    assert stage.receive(CanFrame(0x289, ZEROS, extended=False), 0.0) == []


def test_set_to_one_module_is_echoed_and_moves_only_that_one() -> None:
    stage = PowerStage(2)
    command = CanFrame(0x029C01F0, bytes.fromhex("000B71B000003A98"))
    (reply,) = stage.receive(command, 0.0)
    assert (reply.identifier, reply.data) == (0x029CF001, command.data)
    assert (stage.modules[1].voltage_set_v, stage.modules[1].current_set_a) == (750.0, 15.0)
    assert stage.modules[0].voltage_set_v == 0.0


def test_total_current_is_shared_and_each_current_is_multiplied() -> None:
    shared = loaded()
    shared.send(ALL_ON)
    shared.run(3.0, set_total(450.0, 60.0))
    assert shared.circuit.current_a == pytest.approx(60.0, abs=0.1)
    multiplied = loaded()
    multiplied.send(ALL_ON)
    multiplied.run(3.0, set_each(450.0, 60.0))
    assert multiplied.circuit.current_a == pytest.approx(120.0, abs=0.1)


def test_a_failed_module_leaves_its_share_to_the_other() -> None:
    bench = loaded()
    bench.send(ALL_ON)
    bench.stage.modules[0].faulted = True
    bench.run(3.0, set_total(450.0, 60.0))
    assert [module.current_a for module in bench.stage.modules] == pytest.approx([0.0, 60.0], abs=0.1)
    status = bench.send(CanFrame(0x028400F0, ZEROS))[0].data
    assert status[6] & 0b11 == 0b11, "fault and DC off"


def test_no_voltage_before_on_and_none_after_off() -> None:
    bench = Bench()
    bench.run(1.0, set_total(400.0, 10.0))
    assert bench.circuit.module_voltage_v == 0.0
    bench.send(ALL_ON)
    bench.run(2.0, set_total(400.0, 10.0))
    assert bench.circuit.module_voltage_v == pytest.approx(400.0, rel=0.005)
    bench.send(ALL_OFF)
    bench.run(2.0, set_total(400.0, 10.0))
    assert bench.circuit.module_voltage_v < 60.0


def test_walk_in_starts_softly() -> None:
    fast, soft = Bench(), Bench()
    soft.send(CanFrame(0x02933FF0, b"\x01" + bytes(7)))
    for bench in (fast, soft):
        bench.send(ALL_ON)
        bench.run(0.5, set_total(500.0, 20.0))
    assert fast.circuit.module_voltage_v == pytest.approx(500.0, rel=0.01)
    assert soft.circuit.module_voltage_v == pytest.approx(100.0, rel=0.05)
    soft.run(2.5, set_total(500.0, 20.0))
    assert soft.circuit.module_voltage_v == pytest.approx(500.0, rel=0.005)
    assert soft.send(CanFrame(0x028400F0, ZEROS))[0].data[6] & 1 << 6, "walk-in is reported"


def test_current_rises_at_least_at_20_a_per_second_and_falls_at_100() -> None:
    bench = loaded()
    bench.send(ALL_ON)
    bench.run(3.0, set_total(450.0, 10.0))
    bench.run(1.0, set_total(450.0, 30.0))
    assert bench.circuit.current_a == pytest.approx(30.0, abs=0.1)
    bench.run(5.0, set_total(450.0, 100.0))
    bench.run(1.0, set_total(450.0, 0.0))
    assert bench.circuit.current_a < 5.0


def test_rated_power_limits_the_current_at_high_voltage() -> None:
    bench = loaded(800.0)
    bench.send(ALL_ON)
    bench.run(5.0, set_total(900.0, 200.0))
    power_w = sum(module.current_a for module in bench.stage.modules) * bench.circuit.module_voltage_v
    assert power_w == pytest.approx(60_000.0, rel=0.01)
    assert bench.send(CanFrame(0x028400F0, ZEROS))[0].data[5] & 1, "power limited"


def test_heat_derates_then_switches_off_and_cooling_brings_it_back() -> None:
    bench = loaded()
    bench.send(ALL_ON)
    bench.stage.modules[0].forced_temperature_c = 77.5
    bench.run(4.0, set_total(450.0, 200.0))
    assert bench.stage.modules[0].current_a == pytest.approx(0.5 * 30_000.0 / bench.circuit.module_voltage_v, rel=0.03)
    bench.stage.modules[0].forced_temperature_c = 90.0
    bench.run(0.1, set_total(450.0, 100.0))
    assert bench.stage.modules[0].current_a == 0.0
    assert bench.send(CanFrame(0x028400F0, ZEROS))[0].data[6] & 1 << 4, "over-temperature"
    assert bench.send(CanFrame(0x028400F0, ZEROS))[0].data[4] == 90
    bench.stage.modules[0].cool()
    bench.run(4.0, set_total(450.0, 100.0))
    assert bench.stage.modules[0].current_a == pytest.approx(50.0, abs=0.5)


def test_ten_seconds_of_silence_switch_off_and_a_frame_alone_does_not_switch_on() -> None:
    bench = loaded()
    bench.send(ALL_ON)
    bench.run(3.0, set_total(450.0, 40.0))
    bench.run(9.8)
    assert bench.circuit.current_a == pytest.approx(40.0, abs=0.1)
    bench.run(0.3)
    assert bench.circuit.current_a == 0.0
    assert bench.stage.modules[0].status_bytes()[2] & 1 << 7, "communication lost"
    bench.run(1.0, set_total(450.0, 40.0))
    assert bench.circuit.current_a == 0.0
    bench.send(ALL_ON)
    bench.run(3.0, set_total(450.0, 40.0))
    assert bench.circuit.current_a == pytest.approx(40.0, abs=0.1)


def test_any_frame_of_the_controller_keeps_the_modules_alive() -> None:
    bench = loaded()
    bench.send(ALL_ON)
    bench.send(set_total(450.0, 40.0))
    bench.run(20.0, CanFrame(0x02843FF0, ZEROS))
    assert bench.circuit.current_a == pytest.approx(40.0, abs=0.1)


def test_the_circuit_follows_a_foreign_stage_only_while_its_modules_are_heard() -> None:
    bench = loaded()
    foreign = ForeignStage(bench.stage)
    module_speaks = CanFrame(0x0289F000, ZEROS)
    for frame in (ALL_ON, set_total(450.0, 40.0)):
        foreign.hear(frame, bench.now_s)
    bench.run(3.0)
    unheard_a = bench.circuit.current_a
    for frame in (module_speaks, ALL_ON, set_total(450.0, 40.0)):
        foreign.hear(frame, bench.now_s)
    bench.run(3.0)
    heard_a = bench.circuit.current_a
    for _ in range(20):
        bench.run(1.0)
        foreign.hear(set_total(450.0, 40.0), bench.now_s)
    assert (unheard_a, bench.circuit.current_a) == (0.0, 0.0)
    assert heard_a == pytest.approx(40.0, abs=0.1)
