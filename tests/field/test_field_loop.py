"""The loop of the field process at the vehicle's wire, in virtual time: who is answered when, and what is evaluated."""

import itertools
import selectors
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from agent.control.dc.core import ControlCore, Outputs
from agent.field import base_loop
from agent.field import loop as field_loop
from agent.field.assembly import ConnectorHardware, GroupHardware, Hardware, build_hardware
from agent.field.base_loop import Pace
from agent.field.can_lines import CanLine
from agent.field.loop import FieldLoop
from agent.field.parameters import connector_parameters
from agent.field.power_parameters import power_parameters
from drivers.can.frame import CanFrame
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError
from drivers.gbt27930.charger.dialogue import Phase
from drivers.gbt27930.messages.table import MESSAGES, encode, identifier_of
from drivers.gbt27930.transport.segments import Frames
from hil_tests.performance.virtual_pile import reference_site

CYCLE_S = 0.01
DESCRIPTOR = 77


class Port:
    """A CAN port that is full of what the test puts there."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, CanFrame]] = []
        self.sent: list[tuple[float, CanFrame]] = []
        self.clock: Clock
        self.gone = False
        self.counters = CanCounters()
        self.state = BusState.UNKNOWN
        self.restarts_by_opening = False

    def is_ready(self, now_s: float) -> bool:
        return True

    def tick(self, now_s: float) -> None:
        """Nothing to ask."""

    def fileno(self) -> int:
        return DESCRIPTOR

    def receive(self, now_s: float) -> list[CanFrame]:
        if self.gone:
            raise PortError("gone", "can0", "Plug it in.")
        frames = [frame for at_s, frame in self.arrivals if at_s <= now_s]
        self.arrivals = self.arrivals[len(frames) :]
        return frames

    def send(self, frame: CanFrame) -> bool:
        # The power modules hang on the same line here and are of no interest.
        if frame.identifier & 0xFFFF == 0xF456:
            self.sent.append((self.clock.now_s, frame))
        return True

    def close(self) -> None:
        """Nothing to give back."""

    def names(self) -> list[str]:
        known = {message.identifier: name for name, message in MESSAGES.items()}
        return [known.get(frame.identifier, "transfer") for _, frame in self.sent]


class Clock:
    """Time, and the selector that lets it pass. Each look at the clock takes a microsecond."""

    def __init__(self, port: Port) -> None:
        self.now_s = 1000.0
        self.registered: dict[int, Any] = {}
        self.waits = 0
        self._port = port
        port.clock = self

    def monotonic(self) -> float:
        self.now_s += 1e-6
        return self.now_s

    def register(self, descriptor: int, events: int, data: Any) -> None:
        assert descriptor not in self.registered
        self.registered[descriptor] = data

    def unregister(self, descriptor: int) -> None:
        del self.registered[descriptor]

    def select(self, timeout_s: float) -> list[tuple[Any, int]]:
        assert timeout_s >= 0.0
        self.waits += 1
        end_s = self.now_s + timeout_s
        line = self.registered.get(DESCRIPTOR)
        if line is not None and self._port.arrivals and self._port.arrivals[0][0] <= end_s:
            self.now_s = max(self.now_s, self._port.arrivals[0][0])
            return [(selectors.SelectorKey(DESCRIPTOR, DESCRIPTOR, selectors.EVENT_READ, line), selectors.EVENT_READ)]
        self.now_s = end_s
        return []


class Line(CanLine):
    """The vehicle's line on that port."""

    port: Port

    def _open(self, now_s: float) -> bool:
        if self.port.gone:
            raise PortError("still gone", "can0", "Plug it in.")
        self._port = self.port
        return True


class Server:
    """Nobody listens."""

    recorder = None

    def close(self) -> None:
        """Nothing to close."""


class CountingCore(ControlCore):
    """Counts its steps."""

    steps = 0

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> Outputs:
        self.steps += 1
        return super().evaluate(now_s, wall_ms, wall_quality)


class Bench:
    """A loop at work."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        site = reference_site(folder)
        self.port = Port()
        self.clock = Clock(self.port)
        for module in (base_loop, field_loop):
            monkeypatch.setattr(module, "time", self.clock)
        parameters = connector_parameters(site, site.connectors[0], boot_id="0" * 32, version="test")
        self.core = CountingCore(parameters, self.clock.now_s)
        line = Line("vehicle", "slcan", "can0", 250_000)
        line.port = self.port
        built = build_hardware(site)
        (connector,) = built.connectors
        group = GroupHardware("A", connector.groups[0].rated, line, connector.groups[0].stage)
        hardware = Hardware([], [line], [ConnectorHardware(1, line, connector.outputs, [group])], {})
        self.loop = FieldLoop(
            {1: self.core},
            hardware,
            power_parameters(site),
            cast("Any", Server()),
            cast("Any", self.clock),
            pace=Pace(CYCLE_S, 1.0, 1.0),
        )
        self.loop.open_lines()

    def run(self, seconds: float) -> None:
        end_s = self.clock.now_s + seconds
        while self.clock.now_s < end_s:
            self.loop.turn()

    def arrive(self, frame: CanFrame, in_s: float) -> None:
        self.port.arrivals.append((self.clock.now_s + in_s, frame))

    def begin(self) -> None:
        """The dialogue waits for BRM."""
        charger = self.core.point.charger
        charger.begin(self.clock.now_s)
        charger.receive(CanFrame(identifier_of("BHM"), encode("BHM", {"maximum_voltage_v": 500.0})), self.clock.now_s)
        charger.insulation_passed(self.clock.now_s)
        self.run(0.3)
        self.port.sent.clear()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def _transfer() -> Iterator[CanFrame]:
    frames = Frames(0xF4, 0x56)
    payload = encode("BRM", {"version": "1.1", "battery_type": 3, "rated_capacity_ah": 100.0, "rated_voltage_v": 400.0})
    yield frames.request(MESSAGES["BRM"].pgn, len(payload))
    for number in range(1, 8):
        yield frames.data(number, payload)


def test_a_request_is_answered_at_once_and_without_an_evaluation(bench: Bench) -> None:
    bench.begin()
    request = next(_transfer())
    bench.arrive(request, 0.0034)
    arrival_s = bench.clock.now_s + 0.0034
    bench.core.steps = 0
    while not bench.port.sent:
        bench.loop.turn()
    ((at_s, frame),) = bench.port.sent
    assert frame.data[0] == 17
    assert at_s - arrival_s < 0.0001
    assert bench.core.steps == 0


def test_an_event_is_evaluated_in_the_same_turn(bench: Bench) -> None:
    bench.begin()
    for number, frame in enumerate(_transfer()):
        bench.arrive(frame, 0.003 * number + 0.0001)
    while bench.core.point.charger.phase is Phase.RECOGNITION:
        bench.core.steps = 0
        bench.loop.turn()
    assert bench.core.point.charger.phase is Phase.RECOGNISED
    assert bench.core.steps == 1
    assert not bench.core.wants_evaluation
    assert bench.port.names()[-2:] == ["transfer", "CRM"], "the acknowledgement, and CRM with AA, in the same turn"


def test_the_period_of_a_message_does_not_hang_on_the_cycle(bench: Bench) -> None:
    bench.begin()
    bench.clock.now_s += 0.0037
    bench.core.point.charger._enter(Phase.STOPPING, bench.clock.now_s)
    bench.core.point.charger._sendings.cst = bytes(4)
    bench.run(1.0)
    times = [at_s for at_s, frame in bench.port.sent if frame.identifier == identifier_of("CST")]
    assert len(times) in (100, 101)
    assert all(abs(later - earlier - 0.01) < 1e-4 for earlier, later in itertools.pairwise(times[1:]))


def test_a_dense_bus_is_fetched_and_a_calm_one_wakes_the_loop_again(bench: Bench) -> None:
    bench.begin()
    foreign = CanFrame(0x1812F557, bytes(8))
    for number in range(1900):
        bench.arrive(foreign, number / 1900)
    bench.core.steps = bench.clock.waits = 0
    bench.run(1.0)
    line = bench.loop.hardware.connectors[0].vehicle_line
    assert line.frames_in == 1900
    assert bench.core.point.charger.counters["frames_in"] >= 1900
    assert bench.core.steps <= 105, "the cycle, and nothing for frames that mean nothing"
    assert bench.clock.waits < 800
    bench.run(0.01)
    assert DESCRIPTOR in bench.clock.registered
    bench.arrive(next(_transfer()), 0.0034)
    bench.port.sent.clear()
    arrival_s = bench.clock.now_s + 0.0034
    bench.run(0.005)
    assert [at_s - arrival_s < 0.0001 for at_s, frame in bench.port.sent if frame.data[0] == 17] == [True]


def test_a_request_on_a_dense_bus_is_answered_within_the_fetch(bench: Bench) -> None:
    bench.begin()
    frames = [CanFrame(0x1812F557, bytes(8))] * 60 + [next(_transfer())]
    for number, frame in enumerate(frames):
        bench.arrive(frame, number / 1900)
    arrival_s = bench.clock.now_s + 60 / 1900
    bench.run(0.1)
    (at_s,) = [at_s for at_s, frame in bench.port.sent if frame.data[0] == 17]
    assert 0.0 < at_s - arrival_s <= 0.0021


@pytest.mark.parametrize("back", [True, False])
def test_a_line_that_is_lost_while_it_is_fetched_is_watched_when_it_comes_back(bench: Bench, back: bool) -> None:
    for number in range(20):
        bench.arrive(CanFrame(0x1812F557, bytes(8)), number / 1900)
    bench.run(0.005)
    assert DESCRIPTOR not in bench.clock.registered
    bench.port.gone = True
    bench.run(0.01)
    assert not bench.core.chassis.vehicle_port_open
    bench.port.gone = not back
    bench.clock.now_s += 2.0
    bench.loop.open_lines()
    bench.run(0.05)
    assert bench.core.chassis.vehicle_port_open is back
    assert (DESCRIPTOR in bench.clock.registered) is back


def test_a_line_that_comes_back_before_the_next_fetch_is_watched_once(bench: Bench) -> None:
    for number in range(20):
        bench.arrive(CanFrame(0x1812F557, bytes(8)), number / 1900)
    bench.run(0.005)
    line = bench.loop.hardware.connectors[0].vehicle_line
    line.lost(PortError("gone", "can0", "Plug it in."), bench.clock.now_s)
    bench.clock.now_s += 2.0
    bench.loop.open_lines()
    bench.run(0.05)
    assert DESCRIPTOR in bench.clock.registered
    bench.arrive(CanFrame(0x1812F557, bytes(8)), 0.0)
    before = line.frames_in
    bench.run(0.01)
    assert line.frames_in > before


@pytest.mark.parametrize("where", ["receive", "poll"])
def test_an_error_at_a_frame_is_one_of_the_next_step(bench: Bench, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin()

    def broken(*_: object) -> None:
        raise KeyError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(bench.core.point.charger, where, broken)
        bench.arrive(next(_transfer()), 0.0005)
        if where == "poll":
            patch.setattr(bench.core.point.charger, "next_due", lambda: bench.clock.now_s)
        bench.core.steps = 0
        while bench.core.steps == 0:
            bench.loop.turn()
    assert "internal_error" in bench.core.chassis.events
    assert not bench.core.permission.energise
    assert not bench.core.wants_evaluation
    bench.run(0.05)
    assert bench.core.active_faults
