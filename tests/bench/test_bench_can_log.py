"""The tap on the vehicle's line: what it writes, that python-can reads it, and how it is told."""

import asyncio
import json
from pathlib import Path

import can
import pytest

from drivers.can.frame import CanFrame
from hil_tests.bench.can_log import PLANT_SUFFIX, CanLog, CanLogError
from hil_tests.bench.canary import Canary
from hil_tests.bench.plant import Plant
from hil_tests.bench.wires import CanNode, CanWire
from hil_tests.bench.wiring import load_wiring

FRAME = CanFrame(0x1826F456, b"\x01\x01\x00")


class Clocks:
    """Monotonic and wall time by hand."""

    def __init__(self) -> None:
        self.now_s, self.wall_s = 100.0, 1_700_000_000.0


def recorder_with(clocks: Clocks) -> tuple[CanLog, Plant]:
    plant = Plant(load_wiring())
    return CanLog("can-vehicle", plant, lambda: clocks.now_s, lambda: clocks.wall_s), plant


def test_a_recording_is_what_candump_writes_and_python_can_reads(tmp_path: Path) -> None:
    clocks = Clocks()
    recorder, _ = recorder_with(clocks)
    told = recorder.start(tmp_path / "a.log")
    assert told["offset_s"] == 1_700_000_000.0 - 100.0
    recorder.take(FRAME, 100.25)
    clocks.wall_s -= 3600.0  # a clock that is set does not tear the recording
    recorder.take(CanFrame(0x123, b"", extended=False), 100.5)
    assert recorder.stop() == {"frames": 2, "longest_stall_ms": 0.0, "mean_delay_ms": 0.0}
    text = (tmp_path / "a.log").read_text(encoding="ascii")
    assert text.splitlines() == [
        "(1700000000.250000) can-vehicle 1826F456#010100",
        "(1700000000.500000) can-vehicle 123#",
    ]
    first, second = can.LogReader(tmp_path / "a.log")
    assert (first.arbitration_id, first.is_extended_id, bytes(first.data)) == (0x1826F456, True, b"\x01\x01\x00")
    assert first.timestamp == pytest.approx(1_700_000_000.25)
    assert not second.is_extended_id


def test_what_switches_is_noted_at_once_and_levels_every_now_and_then(tmp_path: Path) -> None:
    recorder, plant = recorder_with(Clocks())
    recorder.start(tmp_path / "a.log")
    for tick in range(20):
        if tick == 5:
            plant.inputs.plugged = True
        recorder.tick(100.0 + tick * 0.005, 0.005)
    recorder.stop()
    lines = [json.loads(line) for line in (tmp_path / f"a.log{PLANT_SUFFIX}").read_text("ascii").splitlines()]
    times = [round(line["t"] - 1_700_000_000.0, 3) for line in lines]
    assert times == [0.0, 0.025, 0.075]
    assert [line["plugged"] for line in lines] == [False, True, True]
    assert lines[0].keys() >= {"k1", "k2", "contactors", "lock", "auxiliary", "outside_v", "current_a"}


def test_it_notes_when_the_bench_itself_was_late(tmp_path: Path) -> None:
    recorder, _ = recorder_with(Clocks())
    recorder.start(tmp_path / "a.log")
    for now_s in (100.0, 100.005, 100.055, 100.0615, 100.0665):
        recorder.tick(now_s, 0.005)
    recorder.note_delay(100.07, 0.0002)
    recorder.note_delay(100.08, 0.0028)
    told = recorder.stop()
    assert told["longest_stall_ms"] == 45.0
    assert told["mean_delay_ms"] == 1.5
    lines = [json.loads(line) for line in (tmp_path / f"a.log{PLANT_SUFFIX}").read_text("ascii").splitlines()]
    assert [line["stall_ms"] for line in lines if "stall_ms" in line] == [45.0, 2.8]


def test_a_canary_tells_how_long_its_stamp_has_been_on_the_way() -> None:
    async def scene() -> tuple[float, float]:
        arrived: asyncio.Queue[tuple[float, float]] = asyncio.Queue()
        clocks = Clocks()
        canary = Canary(lambda: clocks.now_s, lambda now_s, late_s: arrived.put_nowait((now_s, late_s)))
        canary.sing()
        canary.start()
        canary.start()
        canary.sing()
        clocks.now_s += 0.25
        canary.sing()
        first = await arrived.get()
        canary.stop()
        canary.stop()
        canary.sing()
        return first

    assert asyncio.run(scene()) == (100.25, 0.25)


def test_one_recording_at_a_time_and_wrong_orders_are_named(tmp_path: Path) -> None:
    recorder, _ = recorder_with(Clocks())
    recorder.take(FRAME, 1.0)
    recorder.tick(1.0, 0.005)
    with pytest.raises(CanLogError, match="no recording is under way"):
        recorder.stop()
    with pytest.raises(CanLogError, match="cannot write"):
        recorder.start(tmp_path / "nowhere" / "a.log")
    recorder.start(tmp_path / "a.log")
    with pytest.raises(CanLogError, match="record off"):
        recorder.start(tmp_path / "b.log")
    recorder.close()
    recorder.close()
    recorder.start(tmp_path / "b.log")


def test_a_tap_sees_every_frame_once_with_its_times_and_nothing_of_a_cut_node() -> None:
    async def scene() -> list[tuple[CanFrame, float]]:
        seen: list[tuple[CanFrame, float]] = []
        wire = CanWire("test", 250_000)
        wire.add_tap(lambda frame, now_s: seen.append((frame, now_s)))
        nodes: list[CanNode] = [wire.add_listener(name, lambda _: None) for name in "abc"]
        nodes[0].send(FRAME)
        nodes[1].send(CanFrame(0x182756F4, b"\xa0\x0f"))
        await asyncio.sleep(0.02)
        nodes[0].send(FRAME)
        nodes[0].is_cut = True
        await asyncio.sleep(0.02)
        return seen

    seen = asyncio.run(scene())
    assert [frame.identifier for frame, _ in seen] == [0x1826F456, 0x182756F4]
    assert seen[0][1] < seen[1][1]
