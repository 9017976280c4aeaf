"""Whatever passes on the bus and whatever the devices say: no error, no output, bounded memory, one end a start."""

from collections.abc import Sequence
from typing import Any

from control_world import BEGIN_S, BEGIN_WALL_MS
from hypothesis import given, settings
from hypothesis import strategies as st
from listener_world import CYCLIC, VALUES, Bus, frames_of, parameters_with

from agent.control.chassis.commands import CommandInput
from agent.control.listener.core import ListenerCore, ListenerOutputs
from agent.vocabulary.reasons import STOP_REASONS
from agent.vocabulary.signals import SIGNALS
from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading

CONTACTS = ("emergency_stop_pressed", "door_open", "smoke_detected")
_IDENTIFIERS = st.one_of(
    st.sampled_from(sorted({frame.identifier for name in VALUES for frame in frames_of(name, VALUES[name])})),
    st.integers(0, 0x1FFFFFFF),
)
_WILD_FRAMES = st.builds(
    CanFrame, _IDENTIFIERS, st.binary(max_size=8), st.just(0.0), st.sampled_from([True, True, True, False])
)
_MESSAGES = st.sampled_from(sorted(VALUES))
_READINGS = st.tuples(
    st.sampled_from(sorted(SIGNALS)),
    st.one_of(st.booleans(), st.integers(-10, 2_000_000), st.floats(allow_nan=True, allow_infinity=True)),
    st.sampled_from(list(Quality)),
)
_ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.05, 0.25, 1.0, 3.0, 11.0, 61.0])),
    st.tuples(st.just("frame"), _WILD_FRAMES),
    st.tuples(st.just("say"), _MESSAGES),
    st.tuples(st.just("partly"), st.tuples(_MESSAGES, st.integers(0, 40))),
    st.tuples(st.just("charge"), st.sampled_from([1, 5, 20])),
    st.tuples(st.just("reading"), _READINGS),
    st.tuples(st.just("command"), st.sampled_from(["start", "stop", "reset", "unlock"])),
    st.tuples(st.just("port"), st.booleans()),
    st.tuples(st.just("recorder"), st.booleans()),
    st.tuples(st.just("acknowledge"), st.booleans()),
)


class Machine:
    """Carries actions out and looks after every step."""

    def __init__(self, **changes: Any) -> None:
        self.parameters = parameters_with(
            inputs=CONTACTS, insulation_monitor=True, maximum_backlog=120, telemetry_interval_s=1.0, **changes
        )
        self.core = ListenerCore(self.parameters, BEGIN_S)
        self.core.on_recorder(ready=True, uplink="connected", at_s=BEGIN_S)
        self.now_s, self.wall_ms = BEGIN_S, BEGIN_WALL_MS
        self.acknowledges = True
        self.numbers: list[int] = []
        self.open: list[str] = []
        self.closed: list[str] = []

    def step(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_ms += round(seconds * 1000)
        self.take(self.core.evaluate(self.now_s, self.wall_ms, "synced"))

    def take(self, outputs: ListenerOutputs) -> None:
        assert type(outputs) is ListenerOutputs
        for record in outputs.records:
            self.numbers.append(record.number)
            if record.kind == "session_started":
                assert record.session is not None
                self.open.append(record.session)
            elif record.kind == "session_ended":
                assert record.session is not None
                self.closed.append(record.session)
                reason = record.body["stop_reason"]
                assert reason in STOP_REASONS or reason in self.parameters.faults
                assert record.body["energy_wh"] >= 0
                assert record.body["ended_wall_ms"] >= record.body["started_wall_ms"]
                if record.body["energy_source"] == "meter":
                    assert record.body["energy_wh"] == sum(part["energy_wh"] for part in record.body["slices"])
                else:
                    assert "amount_e4" not in record.body
            elif record.kind == "event":
                assert record.body["event"] != "internal_error", record.body
            assert record.kind != "alarm_raised" or record.body["action"] == "log"
        if self.acknowledges:
            self.core.on_acknowledged(self.core.backlog.last_number)
        assert self.numbers == list(range(1, len(self.numbers) + 1)), "records are numbered without gaps"
        assert self.open[: len(self.closed)] == self.closed, "each session ends once, in order"
        assert len(self.open) - len(self.closed) == (self.core.session is not None)
        core = self.core
        assert len(core.backlog.pending()) <= self.parameters.maximum_backlog
        assert len(core.point.observer.sessions) <= 1
        assert len(core._observations) <= 512
        assert len(core.point._holds) <= len(self.parameters.faults)
        assert len(core.chassis.answers._kept) <= 64
        assert not hasattr(outputs, "frames")
        assert not hasattr(outputs, "relays")

    def act(self, kind: str, value: Any) -> None:
        core = self.core
        if kind == "wait":
            self.step(value)
        elif kind == "frame":
            core.on_frame(value, self.now_s)
        elif kind == "say":
            for frame in frames_of(value, VALUES[value]):
                core.on_frame(frame, self.now_s)
        elif kind == "partly":
            for frame in frames_of(value[0], VALUES[value[0]])[: value[1]]:
                core.on_frame(frame, self.now_s)
        elif kind == "charge":
            for _ in range(value):
                for name in CYCLIC:
                    self.act("say", name)
                self.step(0.05)
        elif kind == "reading":
            name, number, quality = value
            core.on_reading(name, Reading(number, SIGNALS[name].unit, self.now_s, quality))
        elif kind == "command":
            core.on_command(CommandInput(f"{value}{len(self.numbers)}", value))
        elif kind == "port":
            core.on_vehicle_port(is_open=value)
        elif kind == "recorder":
            core.on_recorder(ready=value, uplink="connected" if value else "offline", at_s=self.now_s)
        else:
            self.acknowledges = value


@settings(max_examples=250, deadline=None)
@given(st.lists(_ACTIONS, max_size=60), st.booleans())
def test_nothing_that_is_heard_or_read_upsets_a_monitor(actions: Sequence[tuple[str, Any]], metered: bool) -> None:
    machine = Machine() if metered else Machine(meter=None)
    for kind, value in actions:
        machine.act(kind, value)
        machine.step(0.01)
    machine.step(11.0)
    machine.step(5.0)
    assert machine.core.session is None, "silence ends every session"
    assert machine.open == machine.closed


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(CYCLIC)), st.integers(0, 63), st.booleans()), min_size=1, max_size=40))
def test_a_disturbed_charge_is_still_one_session(disturbances: Sequence[tuple[str, int, bool]]) -> None:
    bus = Bus().charge()
    for name, bit, drop in disturbances:
        frames = frames_of(name, VALUES[name])
        for frame in frames:
            data = bytearray(frame.data)
            if bit // 8 < len(data):
                data[bit // 8] ^= 1 << bit % 8
            if not drop:
                bus.core.on_frame(CanFrame(frame.identifier, bytes(data)), bus.now_s)
        bus.step()
    bus.say("CST", manual_stop=1)
    bus.finish()
    kinds = [record.kind for record in bus.log.records]
    assert kinds.count("session_started") == kinds.count("session_ended") == 1
    assert bus.log.end()["vin"] == "V" * 17


def test_the_same_inputs_give_the_same_records() -> None:
    def once() -> list[Any]:
        bus = Bus().charge(5.0)
        bus.say("CST", manual_stop=1)
        bus.finish()
        return bus.log.records

    assert once() == once()
