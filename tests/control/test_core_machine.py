"""The whole control core with a vehicle that misbehaves: no course of frames leads to output outside the rules.

A state machine of hypothesis: mostly a charge as it should be, with frames lost, repeated, swapped, spoilt and
invented, a vehicle that lies or falls silent, and time that jumps. Short and always alike in ``make test``, long in
``make fuzz``.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1] / "bms"))

from bms_worlds import LARGEST_CHARGER, VEHICLE_NAMES, Channel, Fate, payload_of, size_of
from control_world import World, check_outputs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from agent.control.dc.core import Outputs
from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Phase
from drivers.gbt27930.messages.table import decode, identifier_of

LONG = int(os.environ.get("PILE_FUZZ_EXAMPLES", "0"))
STATES = ("plugged", "handshake", "insulation", "recognition", "parameters", "precharge", "charging")
ENERGISED = frozenset({"insulation", "precharge", "charging", "reconnecting", "stopping"})
"""States in which there may be an output."""
SINGLE = tuple(name for name in VEHICLE_NAMES if len(payload_of(name, 0, 0)) <= 8)
MISDEEDS = (
    *(f"silence {name}" for name in ("BHM", "BRM", "BCP", "BRO", "BCL", "BCS", "BSM", "BST", "BSD", "all")),
    "speak all", "length BCL 4", "length BRM 41", "length BCP 12", "length BSM 8", "ready no", "ready yes",
    "mismatch 20", "mismatch 0", "demand 1000 400", "demand 0 0", "demand 10 1", "demand 749 400", "demand own",
    "fault over_temperature", "fault soc_low", "untrusted insulation", "clear all", "permit off", "permit on",
    "timers off", "timers on", "freeze", "thaw", "contactors open", "contactors follow", "stop", "stop over_current",
    "soc 3", "soc 100", "temperature 120", "temperature 25", "normal",
)  # fmt: skip
_CCS, _CRO = identifier_of("CCS"), identifier_of("CRO")


class HostileWorld(World):
    """The world of the control tests with a bad channel, answered as the field loop answers."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(step_s=0.05, **changes)
        self.channel = Channel()
        self.frames = 0
        self.reached: Counter[str] = Counter()

    def hear(self, frame: CanFrame) -> None:
        if not self.vehicle_mute:
            self.deliver(self.channel.carry([frame]))

    def deliver(self, frames: Sequence[CanFrame]) -> None:
        for frame in frames:
            self.frames += 1
            self.core.on_frame(frame, self.now_s)
            replies = self.core.replies(self.now_s)
            self._check_frames(replies)
            for reply in replies:
                if not self.vehicle_deaf:
                    self.vehicle.receive(reply, self.now_s)
            if self.core.wants_evaluation and self.outputs is not None:
                self.decide()

    def decide(self) -> Outputs:
        outputs = super().decide()
        check_outputs(self.core, outputs)
        self._check_rules(outputs)
        self._check_frames(outputs.frames)
        self.reached[self.core.state] += 1
        return outputs

    def _check_rules(self, outputs: Outputs) -> None:
        core, demand = self.core, outputs.set_point
        state, vehicle, parameters = core.state, core.point.charger.vehicle, core.parameters
        if outputs.relays["contactor_k1"] or demand.on:
            assert state in ENERGISED, state
            assert core.session is not None
            assert core.point.situation.record_durable
        if not demand.on:
            assert (demand.voltage_v, demand.current_a) == (0.0, 0.0)
            return
        assert demand.voltage_v * demand.current_a <= parameters.maximum_power_w * (1 + 1e-9)
        if state == "insulation":
            assert vehicle.bhm is not None
            assert demand.voltage_v <= min(vehicle.bhm.values["maximum_voltage_v"], parameters.maximum_voltage_v)
            assert demand.current_a <= parameters.numbers.insulation_test_current_a
        elif state == "precharge":
            assert vehicle.bcp is not None
            assert demand.current_a <= parameters.numbers.precharge_current_a
        elif state == "charging":
            assert vehicle.bcp is not None
            bcp = vehicle.bcp.values
            assert demand.voltage_v <= min(bcp["maximum_voltage_v"], parameters.maximum_voltage_v) + 1e-9
            if vehicle.bcl is not None and core.point.charger.phase is Phase.CHARGING:
                bcl = vehicle.bcl.values
                assert demand.voltage_v <= bcl["voltage_v"] + 1e-9
                most_a = min(bcl["current_a"], bcp["maximum_current_a"], parameters.maximum_current_a)
                assert demand.current_a <= most_a + 1e-9
        else:
            assert demand.current_a == 0.0, "current while stopping"

    def _check_frames(self, frames: Sequence[CanFrame]) -> None:
        closed = self.outputs is not None and self.outputs.relays["contactor_k1"]
        for frame in frames:
            if frame.identifier == _CCS and decode("CCS", frame.data)["permitted"]:
                assert closed
                assert self.core.state == "charging"
                assert self.core.point.charger.phase is Phase.CHARGING
            elif frame.identifier == _CRO and decode("CRO", frame.data)["ready"]:
                assert closed
                assert self.core.point.charger.phase is Phase.READY


NUMBERS = st.integers(0, 255)


class CoreMachine(RuleBasedStateMachine):
    """See the module."""

    sequences: ClassVar[int] = 0
    frames: ClassVar[int] = 0
    reached: ClassVar[Counter[str]] = Counter()

    @initialize(state=st.sampled_from(STATES), edition=st.sampled_from(["2015", "2023"]))
    def start(self, state: str, edition: str) -> None:
        self.world = HostileWorld(edition=edition)
        self.world.until(state)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 3.0]))
    def live(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(fates=st.lists(st.tuples(st.sampled_from(Fate), NUMBERS), max_size=8))
    def bad_channel(self, fates: list[tuple[Fate, int]]) -> None:
        self.world.channel.plan(fates)
        self.world.run(0.3)

    @rule(misdeed=st.sampled_from(MISDEEDS))
    def vehicle_misbehaves(self, misdeed: str) -> None:
        assert self.world.vehicle.command(misdeed, self.world.now_s) is not None
        self.world.run(0.1)

    @rule(name=st.sampled_from(SINGLE), variant=st.integers(0, 9), number=NUMBERS, times=st.integers(1, 40))
    def forged_message(self, name: str, variant: int, number: int, times: int) -> None:
        self.world.deliver([CanFrame(identifier_of(name), payload_of(name, variant, number))] * times)

    @rule(identifier=st.integers(0, 2**29 - 1), data=st.binary(max_size=8))
    def any_frame(self, identifier: int, data: bytes) -> None:
        self.world.deliver([CanFrame(identifier, data)])

    @rule(kind=st.sampled_from([16, 17, 19, 255]), a=NUMBERS, b=NUMBERS, c=st.sampled_from([0x02, 0x06, 0x11, 0x15]))
    def forged_transfer(self, kind: int, a: int, b: int, c: int) -> None:
        self.world.deliver([CanFrame(0x1CEC56F4, bytes((kind, a, 0, b, 0xFF, 0, c, 0)))])
        self.world.deliver([CanFrame(0x1CEB56F4, bytes((1, a, b, c, 0, 0, 0, 0)))])

    @rule(seconds=st.sampled_from([0.5, 1.5, 6.0, 61.0, 700.0]))
    def time_jumps(self, seconds: float) -> None:
        self.world.now_s += seconds
        self.world.wall_ms += round(seconds * 1000)
        self.world.step()

    @rule(mute=st.booleans(), seconds=st.sampled_from([0.9, 1.2, 5.5, 11.0]))
    def silence(self, mute: bool, seconds: float) -> None:
        self.world.vehicle_mute, self.world.vehicle_deaf = mute, not mute
        self.world.run(seconds)
        self.world.vehicle_mute = self.world.vehicle_deaf = False

    @rule(name=st.sampled_from(["start", "start", "stop", "reset"]))
    def command(self, name: str) -> None:
        self.world.command(name)
        self.world.run(0.1)

    @rule(plugged=st.booleans())
    def plug(self, plugged: bool) -> None:
        self.world.plant.plug() if plugged else self.world.plant.unplug()
        self.world.run(0.5)

    def teardown(self) -> None:
        world = self.world
        CoreMachine.sequences += 1
        CoreMachine.frames += world.frames
        CoreMachine.reached += world.reached
        core = world.core
        size = size_of(core.point.charger)
        assert size <= LARGEST_CHARGER, size
        assert len(core.chassis.events) < 50
        assert len(core.chassis.answers._kept) <= 64
        core.request_shutdown()
        end_s = world.now_s + 60.0
        while world.now_s < end_s and not core.safe_to_exit:
            world.step()
        assert core.session is None, "a session that never ends"
        assert core.safe_to_exit
        assert world.log.events("internal_error") == []


def test_no_course_of_frames_breaks_the_control() -> None:
    run_state_machine_as_test(
        CoreMachine,
        settings=settings(
            max_examples=LONG or 80,
            stateful_step_count=80 if LONG else 40,
            derandomize=not LONG,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {*STATES, "stopping", "idle", "locked"} <= set(CoreMachine.reached), "states that were never reached"
    print(f"\nmachine core: {CoreMachine.sequences} sequences, {CoreMachine.frames} frames")
    for key, count in sorted(CoreMachine.reached.items()):
        print(f"  reached {key}: {count}")
