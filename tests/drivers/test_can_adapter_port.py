"""Adapters whose libraries wait: one that hangs for seconds holds up neither the loop nor the end of the program."""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import can
import pytest

from drivers.can import adapter_port
from drivers.can.adapter_port import Adapter, AdapterPort
from drivers.can.frame import CanFrame
from drivers.can.limits import LATEST_SEND_S
from drivers.can.port import open_can_port
from drivers.can.state import BusState
from drivers.errors import PortError

FRAME = CanFrame(0x1826F456, b"\x01\x02")
QUICK_S = 0.05
"""Far above what a call takes, far below what a library that hangs takes."""
_numbers = count()


class Bus(can.BusABC):
    """A library that can be made to hang and to fail. ``go`` set: it works."""

    def __init__(self) -> None:
        super().__init__("fake")
        self.waiting: deque[can.Message] = deque()
        self.sent: list[tuple[float, can.Message]] = []
        self.recv_go, self.send_go = threading.Event(), threading.Event()
        self.recv_go.set()
        self.send_go.set()
        self.recv_error: Exception | None = None
        self.send_error: Exception | None = None
        self.shutdown_error: Exception | None = None
        self.in_send = threading.Event()
        self.shut = threading.Event()

    def recv(self, timeout: float | None = None) -> can.Message | None:
        self.recv_go.wait(10.0)
        if self.recv_error is not None:
            raise self.recv_error
        if self.waiting:
            return self.waiting.popleft()
        time.sleep(0.002)
        return None

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        self.in_send.set()
        self.send_go.wait(10.0)
        if self.send_error is not None:
            raise self.send_error
        self.sent.append((time.monotonic(), msg))

    def shutdown(self) -> None:
        super().shutdown()
        self.shut.set()
        if self.shutdown_error is not None:
            raise self.shutdown_error


class Rig:
    """A port on such a bus; every call of the loop is timed."""

    def __init__(self, **options: object) -> None:
        self.bus = Bus()
        self.open_go = threading.Event()
        self.open_go.set()
        self.open_error: Exception | None = None
        self.where = f"fake {next(_numbers)}"
        self.options = options
        self.port = self.make()

    def make(self, *, listen_only: bool = False) -> AdapterPort:
        return AdapterPort(self.where, self.open, listen_only=listen_only)

    def open(self) -> Adapter:
        self.open_go.wait(10.0)
        if self.open_error is not None:
            raise self.open_error
        return Adapter(self.bus, **self.options)  # type: ignore[arg-type]

    def ready(self) -> "Rig":
        until(lambda: self.port.is_ready(time.monotonic()))
        return self


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "does not happen"
        time.sleep(0.002)


def timed(call: Callable[[], object]) -> float:
    begun_s = time.monotonic()
    call()
    return time.monotonic() - begun_s


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.open_go.set()
    made.bus.recv_go.set()
    made.bus.send_go.set()
    made.port.close()
    until(lambda: not adapter_port._running[made.where].is_alive())


def message(identifier: int = 0x1826F456, **options: object) -> can.Message:
    return can.Message(arbitration_id=identifier, data=b"\x0a", **options)  # type: ignore[arg-type]


def receive(port: AdapterPort) -> list[CanFrame]:
    assert select.select([port.fileno()], [], [], 5.0)[0], "the descriptor wakes the loop"
    return port.receive(time.monotonic())


def test_frames_pass_both_ways(rig: Rig) -> None:
    rig.ready()
    rig.bus.waiting.append(message(timestamp=5.0))
    (frame,) = receive(rig.port)
    assert (frame.identifier, frame.data, frame.extended) == (0x1826F456, b"\x0a", True)
    assert time.monotonic() - 1.0 < frame.at_s <= time.monotonic()
    assert rig.port.receive(time.monotonic()) == []
    assert not select.select([rig.port.fileno()], [], [], 0.0)[0], "taken"
    assert rig.port.send(FRAME)
    until(lambda: rig.bus.sent)
    assert rig.bus.sent[0][1].arbitration_id == 0x1826F456
    assert rig.port.restarts_by_opening


def test_no_frame_is_later_than_the_time_of_the_call(rig: Rig) -> None:
    rig.ready()
    begun_s = time.monotonic()
    rig.bus.waiting.append(message())
    assert select.select([rig.port.fileno()], [], [], 5.0)[0]
    assert rig.port.receive(begun_s)[0].at_s == begun_s


def test_what_is_no_data_frame_is_left_out(rig: Rig) -> None:
    rig.ready()
    rig.bus.waiting.extend(
        [
            message(is_remote_frame=True),
            message(is_rx=False),
            message(0x12345, is_fd=True),
            message(0x99),
        ]
    )
    assert [frame.identifier for frame in receive(rig.port) or receive(rig.port)] == [0x99]
    assert rig.port.counters.junk == 1


def test_a_slow_opening_holds_up_nothing_and_nothing_is_sent_before(rig: Rig) -> None:
    rig.port.close()
    until(lambda: not adapter_port._running[rig.where].is_alive())
    rig.open_go.clear()
    assert timed(lambda: setattr(rig, "port", rig.make())) < QUICK_S
    assert not rig.port.is_ready(time.monotonic())
    assert rig.port.send(FRAME) is False
    assert rig.port.receive(time.monotonic()) == []
    with pytest.raises(PortError, match="does not answer"):
        rig.port.is_ready(time.monotonic() + adapter_port.OPEN_S)
    rig.open_go.set()
    rig.ready()
    assert rig.bus.sent == []


def test_an_opening_that_fails_is_an_error_with_its_cause(rig: Rig) -> None:
    rig.port.close()
    until(lambda: not adapter_port._running[rig.where].is_alive())
    for error, text in (
        (PortError("no such adapter", "0", "Plug it in."), "no such adapter"),
        (OSError("USB says no"), "the adapter failed .USB says no"),
        (RuntimeError(), "the adapter failed .RuntimeError"),
    ):
        rig.open_error = error
        rig.port = rig.make()
        assert select.select([rig.port.fileno()], [], [], 5.0)[0]
        with pytest.raises(PortError, match=text):
            rig.port.receive(time.monotonic())
        rig.port.close()
        until(lambda: not adapter_port._running[rig.where].is_alive())


def test_a_library_that_hangs_in_reading_holds_up_nothing(rig: Rig) -> None:
    rig.ready()
    rig.bus.recv_go.clear()
    port = rig.port
    assert timed(lambda: port.receive(time.monotonic())) < QUICK_S
    assert timed(lambda: port.send(FRAME)) < QUICK_S
    until(lambda: rig.bus.sent, 1.0)
    with pytest.raises(PortError, match="does not answer"):
        port.tick(time.monotonic() + 2.0)
    assert timed(port.close) < QUICK_S
    with pytest.raises(PortError, match=r"still hangs.*Unplug"):
        rig.make()
    rig.bus.recv_go.set()
    assert rig.bus.shut.wait(5.0), "closed as soon as the library returns"


def test_a_library_that_hangs_in_sending_holds_up_nothing(rig: Rig) -> None:
    """The loop goes on reading, the queue is bounded, and nothing old is sent when the library returns."""
    rig.ready()
    rig.bus.send_go.clear()
    port = rig.port
    assert port.send(FRAME)
    assert rig.bus.in_send.wait(5.0)
    longest_s, taken = 0.0, 0
    for _ in range(200):
        begun_s = time.monotonic()
        taken += port.send(CanFrame(7, b""))
        longest_s = max(longest_s, time.monotonic() - begun_s)
    assert longest_s < QUICK_S
    assert (taken, port.counters.refused) == (64, 136)
    rig.bus.waiting.append(message())
    assert len(receive(port)) == 1, "reading goes on"
    time.sleep(LATEST_SEND_S + 0.02)
    rig.bus.send_go.set()
    until(lambda: port.counters.expired == 64)
    assert [sent.arbitration_id for _, sent in rig.bus.sent] == [FRAME.identifier]
    assert port.send(CanFrame(8, b""))
    until(lambda: len(rig.bus.sent) == 2)


def test_a_send_that_does_not_return_is_an_error_after_a_second(rig: Rig) -> None:
    rig.ready()
    rig.bus.send_go.clear()
    rig.port.send(FRAME)
    assert rig.bus.in_send.wait(5.0)
    rig.port.tick(time.monotonic() + 0.9 * adapter_port.STUCK_S)
    with pytest.raises(PortError, match="does not answer"):
        rig.port.receive(time.monotonic() + adapter_port.STUCK_S)


def test_frames_leave_in_time_and_in_their_order(rig: Rig) -> None:
    rig.ready()
    begun_s = time.monotonic()
    for number in range(60):
        assert rig.port.send(CanFrame(number, b""))
    until(lambda: len(rig.bus.sent) == 60)
    assert [sent.arbitration_id for _, sent in rig.bus.sent] == list(range(60))
    assert rig.bus.sent[-1][0] - begun_s < LATEST_SEND_S


def test_refused_frames_are_counted_and_many_of_them_are_an_error(rig: Rig) -> None:
    rig.ready()
    rig.bus.send_error = can.CanOperationError("transmit queue full")
    for number in range(15):
        rig.port.send(FRAME)
        while rig.port.counters.refused <= number:
            time.sleep(0.002)
    rig.bus.send_error = None
    rig.port.send(FRAME)
    until(lambda: rig.bus.sent)
    rig.port.tick(time.monotonic())
    rig.bus.send_error = can.CanOperationError("no such device")
    for _ in range(16):
        rig.port.send(FRAME)
    until(lambda: rig.port._error is not None)
    with pytest.raises(PortError, match="16 frames refused"):
        rig.port.tick(time.monotonic())
    with pytest.raises(PortError, match="16 frames refused"):
        rig.port.send(FRAME)


def test_an_adapter_that_is_unplugged_is_an_error(rig: Rig) -> None:
    rig.ready()
    rig.bus.recv_error = OSError("no such device")
    with pytest.raises(PortError, match=r"no such device.*plugged in"):
        receive(rig.port)
    rig.port.close()
    assert rig.bus.shut.wait(5.0)


def test_a_bus_that_fails_in_closing_ends_all_the_same(rig: Rig) -> None:
    rig.ready()
    rig.bus.shutdown_error = OSError("already gone")
    rig.port.close()
    until(lambda: not adapter_port._running[rig.where].is_alive())
    assert (rig.port.fileno(), rig.port.receive(0.0), rig.port.send(FRAME)) == (-1, [], False)
    rig.port.tick(0.0)
    rig.port.close()


def test_a_listener_sends_nothing(rig: Rig) -> None:
    rig.port.close()
    until(lambda: not adapter_port._running[rig.where].is_alive())
    rig.port = rig.make(listen_only=True)
    rig.ready()
    assert rig.port.send(FRAME) is False
    time.sleep(0.02)
    assert rig.bus.sent == []


def test_a_loop_that_does_not_read_costs_no_memory(rig: Rig) -> None:
    rig.ready()
    rig.bus.waiting.extend(message() for _ in range(2100))
    until(lambda: rig.port.counters.overruns == 100)
    assert len(rig.port.receive(time.monotonic())) == 2000


def test_error_frames_of_the_adapter_become_the_state(rig: Rig) -> None:
    rig.ready()
    assert rig.port.state is BusState.UNKNOWN
    rig.bus.waiting.append(can.Message(arbitration_id=0x40, is_error_frame=True, is_extended_id=False, dlc=8))
    assert receive(rig.port) == [], "the change wakes the loop"
    assert (rig.port.state, rig.port.counters.error_frames) == (BusState.OFF, 1)


def test_an_adapter_is_asked_for_its_state_and_given_a_pause() -> None:
    states = iter([BusState.ACTIVE, None, BusState.PASSIVE, *[BusState.PASSIVE] * 100])
    rig = Rig(read_state=lambda: next(states), pause_s=0.001, has_stamps=False)
    rig.ready()
    until(lambda: rig.port.state is BusState.PASSIVE)
    rig.bus.waiting.append(message(timestamp=1e9))
    until(lambda: rig.port._input)
    assert receive(rig.port)[0].at_s <= time.monotonic()
    rig.port.close()
    assert rig.bus.shut.wait(5.0)


def test_the_virtual_bus_of_the_library_is_a_port_like_any() -> None:
    """python-can's own code behind the threads."""
    port = open_can_port("virtual", "test-adapter-port", 250_000)
    until(lambda: port.is_ready(time.monotonic()))
    with can.interface.Bus(interface="virtual", channel="test-adapter-port", ignore_config=True) as far:
        assert port.send(FRAME)
        received = far.recv(5.0)
        assert received is not None
        assert (received.arbitration_id, bytes(received.data)) == (FRAME.identifier, FRAME.data)
        far.send(message(0x77))
        assert select.select([port.fileno()], [], [], 5.0)[0]
        assert [frame.identifier for frame in port.receive(time.monotonic())] == [0x77]
    port.close()
