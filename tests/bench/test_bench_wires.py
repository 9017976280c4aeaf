"""Wires: slcan lines, arbitration and pace in virtual time, python-can at both ends of a real terminal pair."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import can
import pytest
import serial

from drivers.can.frame import CanFrame
from drivers.line.serial_port import SerialPort
from hil_tests.bench.ptys import LineSettings, PtyPort
from hil_tests.bench.slcan import SlcanAdapter, decode_frame, encode_frame
from hil_tests.bench.wires import CanWire, SerialWire, frame_bits


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer: nothing waits, nothing depends on the machine."""

    _now_s = 0.0

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]  # private to asyncio, unknown to mypy
        if timers and not self._ready:  # type: ignore[attr-defined]  # as above
            self._now_s = max(self._now_s, timers[0].when())
        super()._run_once()  # type: ignore[misc]  # as above


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def test_slcan_lines_of_both_frame_kinds() -> None:
    extended = CanFrame(0x1826F456, b"\x01\x01\x00")
    standard = CanFrame(0x123, b"", extended=False)
    assert encode_frame(extended) == b"T1826F4563010100\r"
    assert encode_frame(standard) == b"t1230\r"
    assert decode_frame("T1826F4563010100") == extended
    assert decode_frame("t1230") == standard


@pytest.mark.parametrize(
    "line", ["", "T", "T1826F456", "T1826F4569", "T1826F4562AA", "TXYZ6F45600", "t8000", "TFFFFFFFF0"]
)
def test_malformed_slcan_lines_are_no_frames(line: str) -> None:
    assert decode_frame(line) is None


def test_adapter_sends_only_while_open_and_not_in_listen_only() -> None:
    adapter = SlcanAdapter()
    assert adapter.feed(b"t1230\r") == ([], b"\a")
    assert adapter.feed(b"S5\rO\r") == ([], b"\r\r")
    frames, reply = adapter.feed(b"t12")
    assert (frames, reply) == ([], b"")
    frames, reply = adapter.feed(b"30\rT000000010\r")
    assert [frame.identifier for frame in frames] == [0x123, 1]
    assert reply == b"z\rZ\r"
    assert adapter.feed(b"C\rL\rt1230\r") == ([], b"\r\r\a")
    assert adapter.feed(b"V\rN\r?\r") == ([], b"V1013\rNB001\r\a")


def test_adapter_recovers_from_an_endless_line() -> None:
    adapter = SlcanAdapter()
    adapter.feed(b"O\r" + b"x" * 100)
    frames, _ = adapter.feed(b"\rt1230\r")
    assert len(frames) == 1


def test_can_frames_take_their_time_and_the_lowest_identifier_goes_first() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        arrived: list[tuple[float, int]] = []
        wire = CanWire("test", 250_000)
        wire.add_listener("ear", lambda frame: arrived.append((loop.time(), frame.identifier)))
        a = wire.add_listener("a", lambda _frame: None)
        b = wire.add_listener("b", lambda _frame: None)
        a.send(CanFrame(0x1800F456, bytes(8)))
        a.send(CanFrame(0x1801F456, bytes(8)))
        b.send(CanFrame(0x0C02F456, bytes(8)))
        await asyncio.sleep(1.0)
        frame_s = frame_bits(CanFrame(0, bytes(8))) / 250_000
        assert [identifier for _, identifier in arrived] == [0x1800F456, 0x0C02F456, 0x1801F456]
        assert [at_s for at_s, _ in arrived] == pytest.approx([frame_s, 2 * frame_s, 3 * frame_s])
        assert 131 / 250_000 <= frame_s <= 160 / 250_000

    in_virtual_time(scenario())


def test_a_cut_can_end_neither_hears_nor_is_heard() -> None:
    async def scenario() -> None:
        heard: dict[str, list[int]] = {"a": [], "b": []}
        wire = CanWire("test", 125_000)
        a = wire.add_listener("a", lambda frame: heard["a"].append(frame.identifier))
        b = wire.add_listener("b", lambda frame: heard["b"].append(frame.identifier))
        a.is_cut = True
        a.send(CanFrame(1, b""))
        b.send(CanFrame(2, b""))
        await asyncio.sleep(0.1)
        a.is_cut = False
        a.send(CanFrame(3, b""))
        b.send(CanFrame(4, b""))
        await asyncio.sleep(0.1)
        assert heard == {"a": [4], "b": [3]}

    in_virtual_time(scenario())


def test_serial_bytes_arrive_at_the_pace_of_the_baud_rate(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        wire = SerialWire("line", 9600, tmp_path / "line")
        arrived: list[tuple[float, bytes]] = []
        wire._deliver_to_agent = lambda data: arrived.append((loop.time(), data))  # type: ignore[method-assign]  # ear
        wire._to_agent._deliver = wire._deliver_to_agent
        speak = wire.add_device(lambda data: None)
        speak(bytes(range(45)))
        speak(b"tail")
        await asyncio.sleep(1.0)
        assert b"".join(data for _, data in arrived) == bytes(range(45)) + b"tail"
        assert arrived[-1][0] == pytest.approx(49 * 10 / 9600)
        assert arrived[0][0] <= 0.0105, "the frame arrives in portions"
        wire.close()

    in_virtual_time(scenario())


def test_two_devices_that_speak_at_once_garble_each_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        wire = SerialWire("line", 9600, tmp_path / "line", parity="E")
        heard = bytearray()
        wire._to_agent._deliver = heard.extend
        one, other = wire.add_device(lambda data: None), wire.add_device(lambda data: None)
        byte_time_s = 11 / 9600
        one(b"a" * 20)
        await asyncio.sleep(10.2 * byte_time_s)
        other(b"b" * 30)
        await asyncio.sleep(1.0)
        assert wire.collisions == 1
        assert len(heard) == 40, "20 bytes, of which 10 met 10 of the other's, and the other's remaining 20"
        assert heard.startswith(b"a" * 10)
        assert heard.endswith(b"b" * 20)
        assert heard[10:20] not in (b"a" * 10, b"b" * 10)
        other(b"alone")
        await asyncio.sleep(1.0)
        assert heard.endswith(b"alone")
        assert wire.collisions == 1
        wire.close()

    in_virtual_time(scenario())


@pytest.mark.parametrize(
    "opened", [LineSettings(9600, "N", 1), LineSettings(19200, "N", 2), LineSettings(2400, "O", 1)]
)
def test_the_devices_see_how_the_port_is_set(tmp_path: Path, opened: LineSettings) -> None:
    async def scenario() -> None:
        wire = SerialWire("line", 9600, tmp_path / "line")
        for _ in range(2):  # opened again with the same settings
            with serial.Serial(
                str(tmp_path / "line"), opened.baud, parity=opened.parity, stopbits=opened.stop_bits, exclusive=True
            ):
                assert wire.opened() == opened
                await until(lambda: wire._agent.is_open)
            await until(lambda: not wire._agent.is_open)
        wire.close()

    asyncio.run(scenario())


def test_even_parity_is_seen_where_the_opener_checks_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        wire = SerialWire("line", 9600, tmp_path / "line")
        with closing(SerialPort(str(tmp_path / "line"), 9600, "E")):
            assert wire.opened() == LineSettings(9600, "E", 1)
        wire.close()

    asyncio.run(scenario())


def test_noise_disturbs_bytes_and_a_cut_loses_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        wire = SerialWire("line", 115200, tmp_path / "line")
        wire.noise_per_mille = 500.0
        data = bytes(200)
        disturbed = wire._disturb(data)
        assert len(disturbed) == 200
        assert 50 < sum(byte != 0 for byte in disturbed) < 150
        wire.close()

    in_virtual_time(scenario())


async def until(condition: Callable[[], bool]) -> None:
    """Wait as long as a broken bench would need to show itself."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("not reached")


def read_within(descriptor: int, count: int) -> bytes:
    """Read ``count`` bytes from a port, waiting as long as a broken bench would need to show itself."""
    os.set_blocking(descriptor, False)
    data, deadline_s = b"", time.monotonic() + 10.0
    while len(data) < count and time.monotonic() < deadline_s:
        try:
            data += os.read(descriptor, 4096)
        except BlockingIOError:
            time.sleep(0.005)
    return data


def test_bytes_cross_a_serial_wire_and_a_cut_one_carries_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        wire = SerialWire("line", 115200, tmp_path / "line")
        device = os.open(wire.add_device_port(), os.O_RDWR | os.O_NOCTTY)
        agent = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
        wire.is_cut = True
        os.write(agent, b"lost")
        await until(lambda: wire._to_devices._free_at_s > 0.0)
        # Timers run in order: this one ends after the delivery of what is on the wire.
        await asyncio.sleep(0.05)
        wire.is_cut = False
        os.write(agent, b"request\n\r\x03\x04")
        assert await asyncio.to_thread(read_within, device, 11) == b"request\n\r\x03\x04", "raw: nothing is translated"
        os.write(device, b"reply")
        assert await asyncio.to_thread(read_within, agent, 5) == b"reply"
        os.close(agent)
        os.close(device)
        wire.close()

    asyncio.run(scenario())
    assert not (tmp_path / "line").exists()


def test_a_port_tells_its_hang_up_and_serves_the_next_opener_without_old_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        received: list[bytes] = []
        hung_up = asyncio.Event()
        port = PtyPort(received.append, hung_up.set, tmp_path / "port")
        port.write(b"nobody hears this")
        first = os.open(tmp_path / "port", os.O_RDWR | os.O_NOCTTY)
        await until(lambda: port.is_open)
        os.close(first)
        await asyncio.wait_for(hung_up.wait(), 10.0)
        port.write(b"nor this")
        second = os.open(tmp_path / "port", os.O_RDWR | os.O_NOCTTY)
        port.write(b"new")
        assert await asyncio.to_thread(read_within, second, 3) == b"new"
        os.write(second, b"up")
        await until(lambda: b"".join(received) == b"up")
        os.close(second)
        port.close()

    asyncio.run(scenario())


def test_python_can_talks_through_the_wire_at_both_ends(tmp_path: Path) -> None:
    def talk() -> None:
        options = {"interface": "slcan", "bitrate": 250000, "sleep_after_open": 0}
        with (
            can.Bus(channel=str(tmp_path / "near"), **options) as near,  # type: ignore[arg-type]  # mixed options
            can.Bus(channel=str(tmp_path / "far"), **options) as far,  # type: ignore[arg-type]  # mixed options
        ):
            # The adapters answer in order: after this both have opened their channel.
            assert near.get_version(10.0) == far.get_version(10.0) == (10, 13)  # type: ignore[attr-defined]  # slcan only
            for number in range(20):
                near.send(can.Message(arbitration_id=0x1826F456, data=[number, 1, 2], is_extended_id=True))
            arrived = [far.recv(5.0) for _ in range(20)]
            assert [message.data[0] for message in arrived if message is not None] == list(range(20))
            far.send(can.Message(arbitration_id=0x182756F4, data=bytes(8), is_extended_id=True))
            answer = next(filter(None, (near.recv(1.0) for _ in range(60))))
            assert (answer.arbitration_id, answer.is_extended_id, answer.dlc) == (0x182756F4, True, 8)

    async def scenario() -> None:
        wire = CanWire("can", 250_000)
        wire.add_port(tmp_path / "near")
        wire.add_port(tmp_path / "far")
        await asyncio.to_thread(talk)
        wire.close()

    asyncio.run(scenario())
