"""Whatever a vehicle says: no error, and never an output beyond the least of BCP, CML and the pile's limits.

The dialogues are made by hypothesis: a vehicle that goes through the phases with values of its own choosing, sensible
or not, with payloads that are cut or invented, messages left out, and frames of strangers in between.
PILE_DIALOGUES sets how many are tried.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from control_world import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.control.dc.core import Outputs
from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Phase
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, encode
from drivers.gbt27930.transport.transport import Transport

_DIALOGUES = int(os.environ.get("PILE_DIALOGUES", "40"))
_STEP_S = 0.05
_TAKEN_BY_CML_A = 400.0

_SPOKEN: Mapping[Phase, tuple[tuple[str, int], ...]] = {
    Phase.HANDSHAKE: (("BHM", 5),),
    Phase.RECOGNITION: (("BRM", 5),),
    Phase.RECOGNISED: (("BCP", 10),),
    Phase.PARAMETERS: (("BRO", 5),),
    Phase.WAIT_READY: (("BRO", 5),),
    Phase.READY: (("BCL", 1), ("BCS", 5), ("BSM", 5)),
    Phase.CHARGING: (("BCL", 1), ("BCS", 5), ("BSM", 5)),
    Phase.STOPPING: (("BST", 1), ("BSD", 5)),
    Phase.TIMED_OUT: (("BEM", 5),),
}
"""What is said in each phase of the charger, and every how many steps."""


@dataclass
class Script:
    """What one vehicle is like."""

    edition: str
    battery_v: float
    payloads: dict[str, list[bytes]]
    silent: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Messages that are left out, from step to step of the charge."""
    strangers: dict[int, CanFrame] = field(default_factory=dict)


class ScriptedWorld(World):
    """The pile with a vehicle that follows a script."""

    def __init__(self, script: Script) -> None:
        super().__init__(step_s=_STEP_S, edition=script.edition)
        self.script = script
        self.talker = Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS, packet_interval_s=0.0)
        self.steps = 0
        self.charging_steps = 0
        self.said: dict[str, int] = {}

    def _live(self) -> None:
        plant, phase = self.plant, self.core.point.charger.phase
        plant.battery.open_circuit_voltage_v = self.script.battery_v
        plant.battery.connected = phase in (Phase.PARAMETERS, Phase.WAIT_READY, Phase.READY, Phase.CHARGING)
        plant.advance(self.now_s)
        self.steps += 1
        self.charging_steps += phase is Phase.CHARGING
        for name, every in _SPOKEN.get(phase, ()):
            begin, end = self.script.silent.get(name, (0, 0))
            if self.steps % every == 0 and not begin <= self.charging_steps < end:
                self._say(name)
        stranger = self.script.strangers.get(self.steps)
        if stranger is not None:
            self.core.on_frame(stranger, self.now_s)
        for _ in range(4):  # a transfer needs a few exchanges
            for frame in self.talker.poll(self.now_s):
                self.core.on_frame(frame, self.now_s)

    def _say(self, name: str) -> None:
        payloads = self.script.payloads[name]
        number = self.said[name] = self.said.get(name, -1) + 1
        message = MESSAGES[name]
        self.talker.send(message.pgn, message.priority, payloads[number % len(payloads)], self.now_s)

    def decide(self) -> Outputs:
        outputs = super().decide()
        for frame in outputs.frames:
            self.talker.receive(frame, self.now_s)
        check_output(self, outputs)
        return outputs


def check_output(world: ScriptedWorld, outputs: Outputs) -> None:
    """The least of all limits holds for every set point."""
    core, demand = world.core, outputs.set_point
    vehicle, parameters = core.point.charger.vehicle, core.parameters
    if not demand.on:
        assert (demand.voltage_v, demand.current_a) == (0.0, 0.0)
        return
    assert demand.voltage_v <= parameters.maximum_voltage_v
    assert demand.current_a <= min(parameters.maximum_current_a, _TAKEN_BY_CML_A)
    assert demand.voltage_v * demand.current_a <= parameters.maximum_power_w + 1e-6 or demand.current_a <= 2.0
    if core.state == "insulation":
        assert vehicle.bhm is not None
        assert demand.voltage_v <= vehicle.bhm.values["maximum_voltage_v"]
        return
    assert core.state in ("precharge", "charging", "reconnecting", "stopping")
    if vehicle.bcp is None or core.state in ("reconnecting", "stopping"):
        assert demand.current_a == 0.0
        return
    bcp = vehicle.bcp.values
    assert demand.voltage_v <= bcp["maximum_voltage_v"]
    if core.state == "charging" and core.point.memory.setpoint_at_s is not None:
        assert demand.current_a <= bcp["maximum_current_a"]
        assert vehicle.bcl is not None
        asked_v, asked_a = vehicle.bcl.values["voltage_v"], vehicle.bcl.values["current_a"]
        least_a = parameters.minimum_current_a if parameters.judge_limits.zero_demand_gets_minimum else 0.0
        assert demand.voltage_v <= asked_v
        assert demand.current_a <= max(asked_a, least_a)


# Making scripts.


def _bytes_of(name: str, sensible: st.SearchStrategy[dict[str, Any]], length: int) -> st.SearchStrategy[bytes]:
    good = sensible.map(lambda values: encode(name, values))
    cut = st.tuples(good, st.integers(1, length + 2)).map(lambda pair: pair[0][: pair[1]].ljust(pair[1], b"\xff"))
    odd = st.tuples(good, st.integers(0, length - 1), st.integers(0, 255)).map(_with_byte)
    return st.integers(0, 19).flatmap(
        lambda dice: (
            good if dice < 14 else odd if dice < 18 else cut if dice < 19 else st.binary(min_size=1, max_size=length)
        )
    )


def _with_byte(made: tuple[bytes, int, int]) -> bytes:
    payload, at, value = made
    return payload[:at] + bytes([value]) + payload[at + 1 :]


def _tenths(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(round(low * 10), round(high * 10)).map(lambda tenths: tenths / 10)


_BRM = encode("BRM", {"version": "1.1", "battery_type": 3, "rated_capacity_ah": 1.0, "rated_voltage_v": 400.0})
_MOSTLY = st.integers(0, 9).map(lambda dice: dice > 0)
_STATES = ("over_current_state", "over_temperature_state", "insulation_state", "connector_state")


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    battery_v = draw(_tenths(160.0, 700.0))
    highest_v = battery_v + draw(_tenths(-20.0, 100.0))
    bcp = st.fixed_dictionaries(
        {
            "maximum_cell_voltage_v": st.just(4.2),
            "maximum_current_a": _tenths(0.0, 400.0),
            "nominal_energy_kwh": st.just(50.0),
            "maximum_voltage_v": st.just(max(0.0, round(highest_v, 1))),
            "maximum_temperature_c": st.just(55),
            "soc_percent": _tenths(0.0, 100.0),
            "battery_voltage_v": st.just(battery_v),
        }
    )
    bcl = st.fixed_dictionaries(
        {
            "voltage_v": st.one_of(st.just(round(max(0.0, highest_v), 1)), _tenths(0.0, 1500.0)),
            "current_a": st.one_of(st.just(0.0), _tenths(0.0, 2.0), _tenths(0.0, 400.0)),
            "mode": st.sampled_from([1, 2]),
        }
    )
    bcs = st.fixed_dictionaries(
        {
            "voltage_v": _tenths(0.0, 750.0),
            "current_a": _tenths(-50.0, 400.0),
            "maximum_cell_voltage_v": st.just(3.5),
            "maximum_cell_group": st.just(1),
            "soc_percent": st.integers(0, 100),
            "remaining_min": st.just(30),
        }
    )
    bsm = st.fixed_dictionaries(
        {
            "maximum_cell_number": st.just(1), "highest_temperature_c": st.just(30),
            "highest_temperature_point": st.just(1), "lowest_temperature_c": st.just(25),
            "lowest_temperature_point": st.just(1), "charging_permitted": _MOSTLY,
            **{name: st.sampled_from([0, 0, 0, 0, 0, 0, 0, 2]) for name in _STATES},
        }
    )  # fmt: skip
    few: dict[str, Any] = {"min_size": 1, "max_size": 3}
    payloads = {
        "BHM": draw(
            st.lists(_bytes_of("BHM", st.fixed_dictionaries({"maximum_voltage_v": _tenths(150, 900)}), 2), **few)
        ),
        "BRM": [_BRM],
        "BCP": draw(st.lists(_bytes_of("BCP", bcp, 13), **few)),
        "BRO": draw(st.lists(st.sampled_from([b"\xaa"] * 8 + [b"\x00", b"\xff"]), **few)),
        "BCL": draw(st.lists(_bytes_of("BCL", bcl, 5), min_size=1, max_size=12)),
        "BCS": draw(st.lists(_bytes_of("BCS", bcs, 9), min_size=1, max_size=6)),
        "BSM": draw(st.lists(_bytes_of("BSM", bsm, 7), min_size=1, max_size=6)),
        "BST": draw(st.lists(_bytes_of("BST", st.just({"stopped_by_charger": 1}), 4), **few)),
        "BSD": [b"\x50" * 7],
        "BEM": [encode("BEM", {})],
    }
    span = st.tuples(st.integers(0, 100), st.integers(0, 120))
    frames = st.builds(
        CanFrame, st.integers(0, 2**29 - 1) | st.sampled_from([0x1CEC56F4, 0x1CEB56F4]), st.binary(max_size=8)
    )
    return Script(
        edition=draw(st.sampled_from(["2015", "2023"])),
        battery_v=battery_v,
        payloads=payloads,
        silent=draw(st.dictionaries(st.sampled_from(["BCL", "BCS", "BSM"]), span, max_size=1)),
        strangers=draw(st.dictionaries(st.integers(1, 300), frames, max_size=6)),
    )


@settings(max_examples=_DIALOGUES, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts())
def test_no_dialogue_leads_beyond_the_limits(script: Script) -> None:
    world = ScriptedWorld(script)
    world.ready()
    world.start()
    world.run(25.0)
    world.command("stop")
    end_s = world.now_s + 60.0
    while world.core.session is not None:
        assert world.now_s < end_s, f"{world.core.state}/{world.core.point.memory.sub_step} never ends"
        world.step()
    assert world.log.events("internal_error") == []
    assert len(world.log.kind("session_ended")) == len(world.log.kind("session_started")) == 1
    assert world.log.end()["stop_reason"]


def test_the_scripted_vehicle_does_charge_when_it_behaves() -> None:
    """So that the property above is not one of vehicles that never get anywhere."""
    script = Script(
        edition="2015",
        battery_v=380.0,
        payloads={
            "BHM": [encode("BHM", {"maximum_voltage_v": 500.0})],
            "BRM": [_BRM],
            "BCP": [encode("BCP", {
                "maximum_cell_voltage_v": 4.2, "maximum_current_a": 90.0, "nominal_energy_kwh": 50.0,
                "maximum_voltage_v": 420.0, "maximum_temperature_c": 55, "soc_percent": 20.0,
                "battery_voltage_v": 380.0,
            })],
            "BRO": [b"\xaa"],
            "BCL": [encode("BCL", {"voltage_v": 1500.0, "current_a": 400.0, "mode": 2})],
            "BCS": [encode("BCS", {
                "voltage_v": 390.0, "current_a": 90.0, "maximum_cell_voltage_v": 3.5, "maximum_cell_group": 1,
                "soc_percent": 20, "remaining_min": 30,
            })],
            "BSM": [encode("BSM", {
                "maximum_cell_number": 1, "highest_temperature_c": 30, "highest_temperature_point": 1,
                "lowest_temperature_c": 25, "lowest_temperature_point": 1, "charging_permitted": True,
            })],
            "BST": [encode("BST", {"stopped_by_charger": 1})],
            "BSD": [b"\x50" * 7],
            "BEM": [encode("BEM", {})],
        },
    )  # fmt: skip
    world = ScriptedWorld(script)
    world.ready()
    world.start()
    world.run(15.0)
    assert world.core.state == "charging"
    assert world.core.point.held.set_point.current_a == 90.0
    assert world.core.point.held.set_point.voltage_v == 420.0
