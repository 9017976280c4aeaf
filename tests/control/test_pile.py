"""Two connectors on one controller: what both share, and what ends one of them only."""

from typing import Any

import pytest
from control_world import BEGIN_S, BEGIN_WALL_MS, World, parameters_with
from listener_world import parameters_with as listener_parameters

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import CommandInput
from agent.control.dc.core import ControlCore
from agent.control.dc.steps import STEPS
from agent.control.dc.view import View
from agent.control.dc.wants import Wants
from agent.control.listener.core import ListenerCore, ListenerOutputs
from agent.control.pile import Pile, PileOutputs
from agent.vocabulary.record import MeterInLedger, Record
from agent.vocabulary.signals import PILE_SIGNALS, SIGNALS
from drivers.can.frame import CanFrame
from drivers.reading import Reading

USED_STEPS = "agent.control.dc.core.STEPS"


class PileWorld:
    """Two chargers, each with a plant and a vehicle of its own, on one pile."""

    def __init__(self) -> None:
        backlog = Backlog(2_000, "boot")
        self.guns = {
            number: World(profile, step_s=0.05, backlog=backlog, connector=number)
            for number, profile in ((1, "demo-car"), (2, "demo-car"))
        }
        self.pile = Pile({number: gun.core for number, gun in self.guns.items()})
        self.records: list[Record] = []
        self.outputs: PileOutputs | None = None
        for gun in self.guns.values():
            gun.override["emergency_stop_pressed"] = None
            gun.missing.add("recorder_ready")
        self.pressed = False

    @property
    def now_s(self) -> float:
        return self.guns[1].now_s

    def step(self) -> PileOutputs:
        for gun in self.guns.values():
            gun.live()
        pile, now_s = self.pile, self.now_s
        pile.on_reading("emergency_stop_pressed", Reading(self.pressed, "bool", now_s))
        pile.on_recorder(ready=True, uplink="connected", at_s=now_s)
        self.outputs = outputs = pile.evaluate(now_s, self.guns[1].wall_ms, "synced")
        for number, gun in self.guns.items():
            gun.obey(outputs.by_connector[number])
        self.records += outputs.records
        pile.on_acknowledged(pile.backlog.last_number)
        return outputs

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds - 1e-9
        while self.now_s < end_s:
            self.step()

    def run_until(self, state: str, longest_s: float, numbers: tuple[int, ...] = (1, 2)) -> None:
        end_s = self.now_s + longest_s
        while any(self.guns[number].core.state != state for number in numbers):
            assert self.now_s < end_s, {number: gun.core.state for number, gun in self.guns.items()}
            self.step()

    def charging(self) -> "PileWorld":
        self.run(0.5)
        for gun in self.guns.values():
            gun.plant.plug()
        self.run_until("plugged", 3.0)
        for number in self.guns:
            self.pile.on_command(number, CommandInput(f"start{number}", "start"))
        self.run_until("charging", 60.0)
        self.run(2.0)
        return self


@pytest.fixture
def charging() -> PileWorld:
    return PileWorld().charging()


def ends(world: PileWorld) -> dict[int, str]:
    return {record.connector: record.body["stop_reason"] for record in world.records if record.kind == "session_ended"}


def test_both_charge_and_their_records_have_no_gap_and_name_their_connector(charging: PileWorld) -> None:
    assert charging.guns[1].plant.circuit.current_a > 20.0
    assert charging.guns[2].plant.circuit.current_a > 20.0
    assert [record.number for record in charging.records] == list(range(1, len(charging.records) + 1))
    sessions = {record.connector: record.session for record in charging.records if record.kind == "session_started"}
    assert sorted(sessions) == [1, 2]
    assert len(set(sessions.values())) == 2
    for record in charging.records:
        assert record.boot_id == "boot"
        assert record.session is None or record.session == sessions[record.connector]


def test_the_emergency_stop_ends_both(charging: PileWorld) -> None:
    charging.pressed = True
    outputs = charging.step()
    assert not any(outputs.by_connector[number].relays["contactor_k1"] for number in (1, 2))
    charging.pressed = False
    charging.run(40.0)
    assert ends(charging) == {1: "emergency_stop", 2: "emergency_stop"}


def test_a_fault_of_one_connector_ends_that_one_only(charging: PileWorld) -> None:
    charging.guns[2].override["lock_locked"] = False
    charging.run(20.0)
    assert ends(charging) == {2: "lock_lost"}
    assert charging.guns[1].core.state == "charging"
    assert charging.guns[1].plant.circuit.current_a > 20.0


def _broken_for(number: int, step: Any) -> Any:
    def broken(view: View) -> Wants:
        if view.parameters.connector == number:
            raise KeyError("broken on purpose")
        wants: Wants = step(view)
        return wants

    return broken


def test_an_error_in_one_core_ends_its_charge_only_and_the_third_ends_the_process(
    charging: PileWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(USED_STEPS, {**STEPS, "charging": _broken_for(1, STEPS["charging"])})
        outputs = charging.step()
    assert not outputs.by_connector[1].relays["contactor_k1"]
    assert outputs.by_connector[2].relays["contactor_k1"]
    charging.run(20.0)
    assert ends(charging) == {1: "internal_error"}
    assert charging.guns[2].core.state == "charging"
    monkeypatch.setattr(USED_STEPS, {name: _broken_for(2, step) for name, step in STEPS.items()})
    charging.step()
    charging.step()
    with pytest.raises(KeyError, match="broken on purpose"):
        charging.step()


def test_a_command_goes_to_its_connector_and_one_for_none_is_rejected(charging: PileWorld) -> None:
    charging.pile.on_command(2, CommandInput("stop2", "stop"))
    charging.pile.on_command(3, CommandInput("stop3", "stop"))
    outputs = charging.step()
    assert {(reply.id, reply.result, reply.reason) for reply in outputs.replies} == {
        ("stop2", "accepted", ""),
        ("stop3", "rejected", "no_such_connector"),
    }
    assert charging.step().replies == []
    charging.run(20.0)
    assert ends(charging) == {2: "local"}


def _may_exit(world: PileWorld) -> bool:
    return world.pile.safe_to_exit


def test_the_end_of_the_program_waits_for_all(charging: PileWorld) -> None:
    charging.pile.request_shutdown()
    charging.step()
    assert not _may_exit(charging)
    charging.run_until("settled", 30.0)
    charging.step()
    assert _may_exit(charging)
    assert ends(charging) == {1: "shutdown", 2: "shutdown"}


def test_a_share_of_the_power_limits_its_connector_until_it_runs_out(charging: PileWorld) -> None:
    charging.run(3.0)
    pile, guns = charging.pile, charging.guns
    free_a = guns[2].core.point.held.set_point.current_a
    pile.set_power_share(1, 60_000.0, 12.0, "profile", charging.now_s + 2.0)
    charging.run(1.0)
    assert guns[1].core.point.held.set_point.current_a == 12.0
    assert guns[1].core.point.limit.by == "profile"
    assert guns[2].core.point.held.set_point.current_a >= free_a
    pile.set_power_share(1, 4_000.0, 100.0, "incomer", charging.now_s + 1.0)
    charging.step()
    limit = guns[1].core.point.limit
    assert (limit.by, limit.power_w) == ("incomer", 4_000.0)
    assert limit.current_a == pytest.approx(4_000.0 / limit.voltage_v)
    charging.run(1.2)
    assert guns[1].core.point.limit.by == "expired"
    assert guns[1].core.point.held.set_point.current_a == 0.0
    assert guns[1].core.state == "charging"


def test_the_readings_of_the_pile_go_to_all_and_the_others_to_their_own() -> None:
    backlog = Backlog(100, "boot")
    cores = {number: ControlCore(parameters_with(connector=number), BEGIN_S, backlog=backlog) for number in (1, 2)}
    pile = Pile(cores)
    assert sorted(PILE_SIGNALS) == ["door_open", "emergency_stop_pressed", "recorder_ready", "smoke_detected"]
    for name in sorted(PILE_SIGNALS):
        pile.on_reading(name, Reading(True, "bool", BEGIN_S))
        assert [core.image.value(name, BEGIN_S) for core in cores.values()] == [True, True]
    for name in sorted(SIGNALS.keys() - PILE_SIGNALS):
        pile.on_reading(name, Reading(1, SIGNALS[name].unit, BEGIN_S), 2)
        assert [core.image.value(name, BEGIN_S) for core in cores.values()] == [None, 1]
        with pytest.raises(ValueError, match="name the connector"):
            pile.on_reading(name, Reading(1, SIGNALS[name].unit, BEGIN_S))
    with pytest.raises(KeyError, match="no connector 3; the pile has 1, 2"):
        pile.on_reading("cc1_voltage_v", Reading(4.0, "V", BEGIN_S), 3)
    with pytest.raises(KeyError, match="no such signal"):
        pile.on_reading("nonsense", Reading(4.0, "V", BEGIN_S), 1)


def test_ports_frames_and_meters_go_to_their_connector() -> None:
    backlog = Backlog(100, "boot")
    cores = {number: ControlCore(parameters_with(connector=number), BEGIN_S, backlog=backlog) for number in (1, 2)}
    pile = Pile(cores)
    pile.on_vehicle_port(2, is_open=False)
    assert [core.chassis.vehicle_port_open for core in cores.values()] == [True, False]
    pile.on_frame(2, CanFrame(0x1826F456, bytes(8)), BEGIN_S)
    assert [core.point.charger.counters["frames_in"] for core in cores.values()] == [0, 1]
    pile.on_recorder(ready=True, uplink="off", at_s=BEGIN_S, meters={2: MeterInLedger("proof")})
    assert [core.point.metering.proof for core in cores.values()] == ["", "proof"]
    assert [core.image.value("recorder_ready", BEGIN_S) for core in cores.values()] == [True, True]


def test_a_listener_beside_a_charger_shares_the_numbers_and_gets_no_power() -> None:
    backlog = Backlog(100, "boot")
    pile = Pile(
        {
            2: ListenerCore(listener_parameters(connector=2), BEGIN_S, backlog=backlog),
            1: ControlCore(parameters_with(), BEGIN_S, backlog=backlog),
        }
    )
    assert list(pile.cores) == [1, 2]
    records: list[Record] = []
    for turn in range(80):
        outputs = pile.evaluate(BEGIN_S + turn * 0.1, BEGIN_WALL_MS + turn * 100, "synced")
        assert isinstance(outputs.by_connector[2], ListenerOutputs)
        records += outputs.records
    assert {record.connector for record in records} == {1, 2}
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    with pytest.raises(ValueError, match="connector 2 delivers no power"):
        pile.set_power_share(2, 1.0, 1.0, "profile", BEGIN_S)
    for power_w, current_a in ((-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="at least 0"):
            pile.set_power_share(1, power_w, current_a, "profile", BEGIN_S)


def test_what_is_no_pile() -> None:
    backlog = Backlog(100)
    cores = [ControlCore(parameters_with(connector=number), BEGIN_S, backlog=backlog) for number in range(1, 6)]
    with pytest.raises(ValueError, match="1 to 4 connectors, not 0"):
        Pile({})
    with pytest.raises(ValueError, match="1 to 4 connectors, not 5"):
        Pile(dict(enumerate(cores, 1)))
    for number in (0, 100):
        with pytest.raises(ValueError, match=f"connector {number}: numbers are 1 to 99"):
            Pile({number: cores[0]})
    with pytest.raises(ValueError, match="connector 2 numbers its records apart"):
        Pile({1: cores[0], 2: ControlCore(parameters_with(connector=2), BEGIN_S)})
