"""Lines of the field process: a port that is missing, lost, back again, and never waited for."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.field import can_lines, lines
from agent.field.can_lines import CanLine
from agent.field.lines import REOPEN_INTERVAL_S, Line, ModbusLine
from drivers.can.frame import CanFrame
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from drivers.reading import Reading


def port_error(text: str = "gone") -> PortError:
    return PortError(text, "/dev/x", "look at it")


class FakeSerial:
    """A serial port whose reading and writing can be made to fail."""

    opened = 0
    refuse: PortError | None = None

    def __init__(self, path: str, baud: int, parity: str, stop_bits: int) -> None:
        if FakeSerial.refuse is not None:
            raise FakeSerial.refuse
        FakeSerial.opened += 1
        self.incoming = b""
        self.written: list[bytes] = []
        self.closed = False
        self.fail_read: PortError | None = None
        self.fail_write: PortError | None = None

    def fileno(self) -> int:
        return 42

    def read(self) -> bytes:
        if self.fail_read is not None:
            raise self.fail_read
        data, self.incoming = self.incoming, b""
        return data

    def write(self, data: bytes) -> None:
        if self.fail_write is not None:
            raise self.fail_write
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


class FakeCan:
    """A CAN port likewise."""

    def __init__(self) -> None:
        self.frames: list[CanFrame] = []
        self.sent: list[CanFrame] = []
        self.accepts = True
        self.fail: PortError | None = None
        self.tick_fails: PortError | None = None
        self.closed = False
        self.ready = True
        self.counters = CanCounters()
        self.state = BusState.UNKNOWN
        self.restarts_by_opening = True

    def is_ready(self, now_s: float) -> bool:
        self.tick(now_s)
        return self.ready

    def tick(self, now_s: float) -> None:
        if self.tick_fails is not None:
            raise self.tick_fails

    def fileno(self) -> int:
        return 43

    def receive(self, now_s: float) -> list[CanFrame]:
        if self.fail is not None:
            raise self.fail
        frames, self.frames = self.frames, []
        return frames

    def send(self, frame: CanFrame) -> bool:
        if self.fail is not None:
            raise self.fail
        if self.accepts:
            self.sent.append(frame)
        return self.accepts

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SerialPort", FakeSerial)
    monkeypatch.setattr(FakeSerial, "refuse", None)
    monkeypatch.setattr(FakeSerial, "opened", 0)


def modbus_line() -> ModbusLine:
    model = Path(__file__).parents[2] / "config" / "meters" / "acrel-djsf1352-rn.toml"
    return ModbusLine("rs485", "/dev/x", 9600, "N", 1, [Meter(load_register_map(model), 1, 1.0)])


def port_of(line: ModbusLine) -> FakeSerial:
    port: object = line._port
    assert isinstance(port, FakeSerial)
    return port


def deliver(name: str, reading: Reading) -> None:
    raise AssertionError("nothing was read")


@pytest.mark.usefixtures("serial")
def test_a_missing_port_is_tried_once_a_second_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line = modbus_line()
    monkeypatch.setattr(FakeSerial, "refuse", port_error("no such port"))
    with caplog.at_level(logging.INFO):
        assert not line.try_open(0.0)
        assert not line.try_open(REOPEN_INTERVAL_S)
        assert (line.is_open, line.fileno()) == (False, -1)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        monkeypatch.setattr(FakeSerial, "refuse", None)
        assert not line.try_open(REOPEN_INTERVAL_S + 0.9)
        assert line.try_open(2 * REOPEN_INTERVAL_S)
        assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert (line.is_open, line.try_open(99.0)) == (True, False)
    assert (FakeSerial.opened, line.opened, line.fileno()) == (1, 1, 42)


@pytest.mark.usefixtures("serial")
def test_a_new_cause_is_told_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    line = modbus_line()
    for at_s, text in ((0.0, "missing"), (1.0, "missing"), (2.0, "busy")):
        monkeypatch.setattr(FakeSerial, "refuse", port_error(text))
        line.try_open(at_s)
    assert ["missing" in caplog.text, "busy" in caplog.text, len(caplog.records)] == [True, True, 2]


@pytest.mark.usefixtures("serial")
def test_a_port_lost_while_reading_is_closed_and_opened_again() -> None:
    line = modbus_line()
    line.try_open(0.0)
    port = port_of(line)
    line.read(0.1)
    port.fail_read = port_error("unplugged")
    line.read(0.2)
    assert port.closed
    assert (line.is_open, line.trouble, line.fileno()) == (False, "/dev/x: unplugged. look at it", -1)
    line.read(0.3)
    assert line.turn(0.3, deliver) == 0.3 + REOPEN_INTERVAL_S
    assert line.try_open(1.5)
    assert line.opened == 2


@pytest.mark.usefixtures("serial")
def test_a_port_lost_while_writing_gives_up_what_was_waiting() -> None:
    line = modbus_line()
    line.try_open(0.0)
    port = port_of(line)
    port.fail_write = port_error("gone")
    assert line.turn(5.0, deliver) == 5.0 + REOPEN_INTERVAL_S
    assert line.fileno() == -1
    line.turn(5.1, deliver)
    assert line.master.idle
    line.try_open(7.0)
    line.turn(7.0, deliver)
    assert port_of(line).written, "the devices ask anew"


@pytest.mark.usefixtures("serial")
def test_a_turn_asks_what_is_due_and_says_when_it_must_be_called_again() -> None:
    line = modbus_line()
    line.try_open(0.0)
    due_s = line.turn(0.0, deliver)
    assert port_of(line).written
    assert 0.0 < due_s < 10.0
    status = line.status(0.05)
    assert (status["port"], status["trouble"], status["opened"]) == ("/dev/x", "", 1)
    line.close(0.1)
    line.close(0.2)
    assert line.fileno() == -1


@pytest.mark.usefixtures("serial")
def test_a_device_is_told_of_a_time_out_at_once() -> None:
    line = modbus_line()
    line.try_open(0.0)
    now_s = 0.0
    for _ in range(100):
        now_s = max(line.turn(now_s, deliver), now_s + 0.001)
        if now_s > 8.0:
            break
    # Asked again after pauses of 1, 2 and 4 s, not when the block gives its result up for lost.
    assert len(port_of(line).written) >= 4


@pytest.fixture
def can(monkeypatch: pytest.MonkeyPatch) -> tuple[CanLine, list[FakeCan]]:
    ports: list[FakeCan] = []

    def open_fake(interface: str, channel: str, bitrate_bps: int) -> FakeCan:
        ports.append(FakeCan())
        return ports[-1]

    monkeypatch.setattr(can_lines, "open_can_port", open_fake)
    return CanLine("vehicle", "slcan", "/dev/y", 250_000), ports


def state_of(line: CanLine) -> BusState:
    return line.bus_state


FRAMES: Sequence[CanFrame] = [CanFrame(1, b"\x01"), CanFrame(2, b"\x02")]


def test_frames_go_both_ways_and_are_counted(can: tuple[CanLine, list[FakeCan]]) -> None:
    line, ports = can
    line.write(FRAMES, 0.0)
    assert line.read(0.0) == []
    assert line.try_open(0.0)
    ports[0].frames = list(FRAMES)
    assert line.read(0.1) == list(FRAMES)
    line.write(FRAMES, 0.2)
    ports[0].accepts = False
    line.write(FRAMES[:1], 0.3)
    status = line.status(0.4)
    assert (status["frames_in"], status["frames_out"], status["frames_refused"]) == (2, 2, 1)
    assert line.fileno() == 43


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_lost_can_port_is_closed_and_opened_again(can: tuple[CanLine, list[FakeCan]], how: str) -> None:
    line, ports = can
    line.try_open(0.0)
    ports[0].fail = port_error("adapter gone")
    if how == "read":
        assert line.read(0.1) == []
    else:
        line.write(FRAMES, 0.1)
    assert ports[0].closed
    assert (line.is_open, line.trouble, line.fileno()) == (False, "/dev/x: adapter gone. look at it", -1)
    assert line.try_open(1.1)
    line.close(2.0)
    line.close(2.0)
    assert ports[1].closed


def test_an_adapter_that_takes_time_to_open_is_asked_until_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FakeCan()
    slow.ready = False
    monkeypatch.setattr(can_lines, "open_can_port", lambda *_: slow)
    line = CanLine("vehicle", "canalystii", "0", 250_000)
    assert not line.try_open(2.0)
    assert not line.try_open(2.1)
    assert (line.is_open, line.fileno(), slow.closed) == (False, -1, False)
    slow.ready = True
    assert line.try_open(2.2), "asked again at once, not after a second"
    assert line.fileno() == 43


def test_an_adapter_that_cannot_be_opened_says_why_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = FakeCan(), FakeCan()
    bad.ready, bad.tick_fails = False, port_error("no adapter")
    ports = iter([bad, good])
    monkeypatch.setattr(can_lines, "open_can_port", lambda *_: next(ports))
    line = CanLine("vehicle", "canalystii", "0", 250_000)
    assert not line.try_open(2.0)
    assert bad.closed
    assert "no adapter" in line.trouble
    assert not line.try_open(2.5)
    assert line.try_open(2.0 + REOPEN_INTERVAL_S)


def test_an_attempt_to_open_is_given_up_with_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FakeCan()
    slow.ready = False
    monkeypatch.setattr(can_lines, "open_can_port", lambda *_: slow)
    line = CanLine("vehicle", "canalystii", "0", 250_000)
    line.try_open(0.0)
    line.close(0.1)
    assert slow.closed


def test_a_port_that_fails_in_its_regular_call_is_lost(can: tuple[CanLine, list[FakeCan]]) -> None:
    line, ports = can
    line.try_open(0.0)
    assert not line.try_open(1.0)
    assert line.is_open
    ports[0].tick_fails = port_error("stuck")
    assert not line.try_open(2.0)
    assert (line.is_open, ports[0].closed) == (False, True)


def test_a_cause_that_comes_again_and_again_is_logged_once(
    can: tuple[CanLine, list[FakeCan]], caplog: pytest.LogCaptureFixture
) -> None:
    line, ports = can
    for now_s in (0.0, 1.0, 2.0):
        assert line.try_open(now_s)
        ports[-1].fail = port_error("refused")
        line.read(now_s + 0.1)
    assert caplog.text.count("refused") == 1
    assert line.try_open(3.0)
    ports[-1].frames = list(FRAMES)
    line.read(3.1)
    ports[-1].fail = port_error("refused")
    line.read(3.2)
    assert caplog.text.count("refused") == 2, "it had worked meanwhile"


def test_bus_off_closes_an_adapter_and_opens_it_after_a_pause(can: tuple[CanLine, list[FakeCan]]) -> None:
    line, ports = can
    line.try_open(0.0)
    assert state_of(line) is BusState.UNKNOWN
    ports[0].state = BusState.OFF
    line.read(5.0)
    assert (ports[0].closed, line.is_open, line.trouble, line.bus_state) == (True, False, "bus-off", BusState.OFF)
    assert not line.try_open(5.9)
    assert line.try_open(6.0)
    assert state_of(line) is BusState.OFF, "still not heard"
    ports[1].frames = list(FRAMES)
    line.read(6.1)
    assert state_of(line) is BusState.UNKNOWN
    assert line.status(6.2)["bus_off"] == 1


def test_bus_off_is_forgotten_when_the_adapter_reports_better_or_nothing_for_long(
    can: tuple[CanLine, list[FakeCan]],
) -> None:
    line, ports = can
    line.try_open(0.0)
    ports[0].state = BusState.OFF
    line.try_open(1.0)
    line.try_open(2.0)
    ports[1].state = BusState.WARNING
    line.try_open(3.0)
    assert state_of(line) is BusState.WARNING
    ports[1].state = BusState.OFF
    line.try_open(4.0)
    line.try_open(5.0)
    line.try_open(8.0)
    assert state_of(line) is BusState.OFF
    line.try_open(8.1)
    assert state_of(line) is BusState.UNKNOWN
    assert line.status(9.0)["bus_off"] == 2


def test_bus_off_of_a_kernel_interface_leaves_the_port_open(can: tuple[CanLine, list[FakeCan]]) -> None:
    line, ports = can
    line.try_open(0.0)
    ports[0].restarts_by_opening = False
    ports[0].state = BusState.OFF
    line.read(1.0)
    line.read(1.1)
    assert (line.is_open, line.bus_state, line.bus_off_count) == (True, BusState.OFF, 1)
    ports[0].state = BusState.ACTIVE
    line.read(1.2)
    assert state_of(line) is BusState.ACTIVE


def test_a_bare_line_is_no_line() -> None:
    line = Line("x", "y")
    for call in (line.fileno, lambda: line._open(0.0), lambda: line.close(0.0)):
        with pytest.raises(NotImplementedError):
            call()
