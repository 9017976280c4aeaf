"""The BMS phase by phase against a scripted charger, in virtual time."""

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import (
    CHARGER_ADDRESS,
    MESSAGES,
    VEHICLE_ADDRESS,
    MessageError,
    decode,
    encode,
    identifier_of,
    message_of,
)
from drivers.gbt27930.transport.transport import Transport
from hil_tests.bench.vehicle.alone import AloneInlet
from hil_tests.bench.vehicle.bms import Inlet, Phase
from hil_tests.bench.vehicle.profile import load_profile
from hil_tests.bench.vehicle.vehicle import Vehicle

CRM = {"charger_number": 7, "area_code": b"\xff\xff\xff"}
SAID: dict[str, dict[str, Any]] = {
    "CHM": {"version": "1.1"},
    "CRM-00": {**CRM, "recognised": False},
    "CRM-AA": {**CRM, "recognised": True},
    "CML": {"maximum_voltage_v": 1000, "minimum_voltage_v": 200, "maximum_current_a": 150, "minimum_current_a": 1},
    "CML-low": {"maximum_voltage_v": 500, "minimum_voltage_v": 200, "maximum_current_a": 150, "minimum_current_a": 1},
    "CRO-00": {"ready": False},
    "CRO-AA": {"ready": True},
    "CCS": {"voltage_v": 380, "current_a": 50, "minutes": 1, "permitted": True},
    "CST": {"manual_stop": 1},
    "CSD": {"minutes": 1, "energy_kwh": 1.0, "charger_number": 7},
    "CEM": {"bcl_timeout": 1},
}


class ScriptedCharger:
    """Says what it is told to say, period by period, and notes all that it hears."""

    def __init__(self, profile: str = "nmc-car", seed: int = 0) -> None:
        self.vehicle = Vehicle(load_profile(profile), seed=seed)
        self.now_s = 100.0
        self.says: set[str] = set()
        self.inlet = Inlet(True, 12.0)
        self.heard: list[tuple[float, str, dict[str, Any]]] = []
        self.frames: list[CanFrame] = []
        self.is_lenient = False
        self._next_s: dict[str, float] = {}
        self._transport = Transport(CHARGER_ADDRESS, VEHICLE_ADDRESS)

    def phase(self) -> Phase:
        return self.vehicle.bms.phase

    def closed(self) -> bool:
        return self.vehicle.source.contactors_closed

    def run(self, seconds: float, *says: str) -> Counter[str]:
        """Let time pass while the charger repeats these messages. Returns what was heard, and how often."""
        first = len(self.heard)
        end_s = self.now_s + seconds
        self._next_s = dict.fromkeys(says, self.now_s)
        while self.now_s < end_s:
            self.now_s = min(end_s, round(self.now_s + 0.002, 6))
            for name, due_s in self._next_s.items():
                if self.now_s >= due_s:
                    message = MESSAGES[name[:3]]
                    self._next_s[name] = due_s + message.period_s
                    self._transport.send(message.pgn, message.priority, encode(message.name, SAID[name]), self.now_s)
            self.vehicle.sense(self.inlet, self.now_s)
            for frame in self._transport.poll(self.now_s):
                self.vehicle.receive(frame, self.now_s)
            for frame in self.vehicle.poll(self.now_s):
                self.frames.append(frame)
                for received in self._transport.receive(frame, self.now_s):
                    known = message_of(VEHICLE_ADDRESS, received.pgn)
                    if known is None and self.is_lenient:
                        continue
                    assert known is not None
                    try:
                        self.heard.append((self.now_s, known.name, decode(known.name, received.payload)))
                    except MessageError:
                        if not self.is_lenient:
                            raise
        return Counter(name for _, name, _ in self.heard[first:])

    def last(self, name: str) -> dict[str, Any]:
        return next(values for _, each, values in reversed(self.heard) if each == name)

    def times(self, name: str) -> list[float]:
        return [at_s for at_s, each, _ in self.heard if each == name]

    def reach(self, phase: Phase) -> None:
        """Go on in good order until the vehicle is in this phase."""
        steps = {
            Phase.HANDSHAKE: (1.0, "CHM"),
            Phase.RECOGNITION: (0.3, "CRM-00"),
            Phase.PARAMETERS: (0.2, "CRM-AA"),
            Phase.PREPARING: (0.3, "CML"),
            Phase.READY: (self.vehicle.battery.profile.manners.prepare_s + 0.5, "CML"),
            Phase.CHARGING: (0.5, "CRO-AA"),
        }
        for step, (seconds, says) in steps.items():
            self.run(seconds, says)
            assert self.phase() is step
            if step is phase:
                return


@pytest.fixture
def charger() -> ScriptedCharger:
    return ScriptedCharger()


def test_it_sleeps_without_plug_or_supply_and_says_nothing(charger: ScriptedCharger) -> None:
    for inlet in (Inlet(False, 12.0), Inlet(True, 0.0), Inlet(True, 8.0)):
        charger.inlet = inlet
        assert not charger.run(2.0, "CHM", "CRM-00")
        assert charger.phase() is Phase.ASLEEP


def test_the_time_in_a_phase_counts_from_the_first_time_told(charger: ScriptedCharger) -> None:
    charger.inlet = Inlet()
    charger.run(1.0)
    assert charger.vehicle.report(charger.now_s)["phase_s"] == pytest.approx(1.0, abs=0.01)


def test_a_dip_of_the_supply_does_not_put_it_to_sleep_but_its_loss_does(charger: ScriptedCharger) -> None:
    charger.reach(Phase.READY)
    charger.inlet = Inlet(True, 7.0)
    charger.run(0.1, "CML")
    assert charger.phase() is Phase.READY
    assert charger.closed()
    charger.inlet = Inlet(True, 5.0)
    assert not charger.run(0.5, "CML")
    assert charger.phase() is Phase.ASLEEP
    assert not charger.closed()


def test_bhm_comes_only_while_chm_comes(charger: ScriptedCharger) -> None:
    assert not charger.run(2.0)
    assert charger.phase() is Phase.HANDSHAKE
    assert charger.run(3.0, "CHM") == {"BHM": pytest.approx(12, abs=1)}
    assert charger.last("BHM")["maximum_voltage_v"] == pytest.approx(96 * 4.25, abs=0.1)
    charger.run(1.1)
    assert not charger.run(2.0)


def test_the_good_order_of_messages(charger: ScriptedCharger) -> None:
    charger.reach(Phase.HANDSHAKE)
    assert charger.run(0.24, "CRM-00") == {"BRM": 1}
    assert charger.last("BRM")["vin"] == "LSIMNMC0000000001"
    assert charger.last("BRM")["battery_type"] == 6
    assert charger.run(0.24, "CRM-AA") == {"BCP": 1}
    assert charger.last("BCP")["battery_voltage_v"] == pytest.approx(charger.vehicle.battery.source_voltage_v, abs=0.06)
    assert set(charger.run(1.4, "CML")) == {"BRO"}
    assert charger.last("BRO") == {"ready": False}
    assert not charger.closed()
    charger.run(0.6, "CML")
    assert charger.last("BRO") == {"ready": True}
    assert charger.closed(), "the battery voltage must stand at the inlet before precharge"
    assert charger.run(2.0, "CRO-00") == {"BRO": pytest.approx(8, abs=1)}
    charging = charger.run(2.0, "CRO-AA", "CCS")
    assert charging == {"BCL": pytest.approx(40, abs=2), "BCS": 8, "BSM": pytest.approx(8, abs=1)}
    assert charger.last("BCL")["mode"] == 2
    assert charger.last("BSM")["charging_permitted"] is True


def test_contactors_are_closed_before_the_first_bro_ready() -> None:
    charger = ScriptedCharger()
    charger.reach(Phase.PREPARING)
    closed_s = None
    while not any(name == "BRO" and values["ready"] for _, name, values in charger.heard):
        charger.run(0.01, "CML")
        if closed_s is None and charger.closed():
            closed_s = charger.now_s
    assert closed_s is not None
    assert charger.now_s - closed_s >= 0.19


def test_the_charger_stops_and_the_vehicle_ends_in_order(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.inlet = Inlet(True, 12.0, 380.0, 80.0)
    charger.run(1.0, "CCS")
    stopping = charger.run(0.5, "CST")
    assert stopping["BST"] == pytest.approx(50, abs=5)
    assert charger.last("BST")["stopped_by_charger"] == 1
    assert charger.closed(), "not under 80 A"
    charger.inlet = Inlet(True, 12.0, 380.0, 4.9)
    assert charger.run(1.0, "CST")["BSD"] >= 4
    assert not charger.closed()
    charger.run(0.3, "CSD")
    assert charger.phase() is Phase.FINISHED
    assert not charger.run(3.0, "CSD")
    charger.inlet = Inlet(True, 0.0)
    charger.run(0.2)
    charger.inlet = Inlet(True, 12.0)
    assert charger.run(2.0, "CHM")["BHM"] >= 4, "the supply off and on starts it anew"


def test_contactors_open_under_load_when_the_current_does_not_go(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.inlet = Inlet(True, 12.0, 380.0, 80.0)
    charger.run(9.9, "CST")
    assert charger.closed()
    charger.run(0.2, "CST")
    assert not charger.closed()


@pytest.mark.parametrize(
    ("phase", "says", "limit_s", "bem"),
    [
        # BEM as it stands on the wire: spare bits are 1, 01 marks the time-out (SPN 3901 to 3907).
        (Phase.HANDSHAKE, ("CHM",), 30.0, "f1f0f0fc"),
        (Phase.RECOGNITION, ("CRM-00",), 5.0, "f4f0f0fc"),
        (Phase.PARAMETERS, ("CRM-AA",), 5.0, "f0f1f0fc"),
        (Phase.READY, (), 5.0, "f0f4f0fc"),
        (Phase.READY, ("CRO-00",), 60.0, "f0f4f0fc"),
        (Phase.CHARGING, (), 1.0, "f0f0f1fc"),
        (Phase.ENDING, (), 5.0, "f0f0f4fc"),
        (Phase.ENDING, ("CST",), 10.0, "f0f0f0fd"),
    ],
)
def test_a_missing_message_ends_in_bem(phase: Phase, says: tuple[str, ...], limit_s: float, bem: str) -> None:
    charger = ScriptedCharger()
    charger.reach(Phase.CHARGING if phase is Phase.ENDING else phase)
    if phase is Phase.ENDING:
        charger.vehicle.command("stop", charger.now_s)
    if phase is not Phase.CHARGING:
        # All but CCS have been counted from entering the phase, or from the last message of the step before.
        charger.run(limit_s - 2.2, *says)
        assert charger.phase() is not Phase.TIMED_OUT
    charger.run(2.3, *says)
    assert charger.phase() is Phase.TIMED_OUT
    sent = [frame for frame in charger.frames if frame.identifier == MESSAGES["BEM"].identifier]
    assert {frame.data.hex() for frame in sent} == {bem}
    heard = len(charger.times("BEM"))
    charger.run(2.0)
    assert len(charger.times("BEM")) - heard == pytest.approx(8, abs=1)
    assert not charger.closed()


def test_nobody_there_at_all_ends_after_a_minute(charger: ScriptedCharger) -> None:
    charger.run(60.3)
    assert charger.phase() is Phase.HANDSHAKE
    charger.run(0.3)
    assert charger.phase() is Phase.TIMED_OUT


def test_after_a_time_out_a_new_crm_begins_again_three_times(charger: ScriptedCharger) -> None:
    charger.reach(Phase.RECOGNITION)
    for _ in range(3):
        while charger.phase() is not Phase.TIMED_OUT:
            charger.run(0.1)
        charger.run(0.8, "CRM-00")
        assert charger.phase() is Phase.TIMED_OUT, "BEM is shown for a second first"
        charger.run(0.5, "CRM-00")
        assert charger.phase() is Phase.RECOGNITION
    charger.run(6.0)
    charger.run(3.0, "CRM-00")
    assert charger.phase() is Phase.TIMED_OUT
    charger.run(30.0)
    assert charger.phase() is Phase.GAVE_UP
    assert not charger.run(3.0, "CHM", "CRM-00")


def test_cem_of_the_charger_ends_the_session_without_bem(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    heard = charger.run(2.0, "CEM")
    assert charger.phase() is Phase.TIMED_OUT
    assert heard["BEM"] == 0
    assert not charger.closed()


def test_a_charger_of_too_little_voltage_never_hears_ready() -> None:
    charger = ScriptedCharger("nmc-car-800v")
    charger.reach(Phase.PARAMETERS)
    charger.run(8.0, "CML-low")
    assert charger.phase() is Phase.PREPARING
    assert charger.last("BRO") == {"ready": False}
    assert not charger.closed()


def test_the_demand_keeps_within_cml() -> None:
    charger = ScriptedCharger("nmc-car-800v")
    charger.reach(Phase.CHARGING)
    assert charger.last("BCL")["current_a"] == 150


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("over_temperature", "battery_over_temperature"),
        ("insulation", "insulation_fault"),
        ("connector", "charging_connector_fault"),
    ],
)
def test_when_the_charger_ignores_a_fault_the_vehicle_ends_the_charge(state: str, reason: str) -> None:
    charger = ScriptedCharger()
    charger.reach(Phase.CHARGING)
    charger.vehicle.command(f"fault {state}", charger.now_s)
    charger.run(1.5, "CCS")
    assert charger.last("BSM")[f"{state}_state"] == 1
    assert charger.phase() is Phase.CHARGING
    charger.run(1.0, "CCS")
    assert charger.phase() is Phase.ENDING
    assert charger.last("BST")[reason] == 1


def test_a_hot_pack_is_reported_as_such(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.vehicle.command("temperature 56", charger.now_s)
    charger.run(0.5, "CCS")
    assert charger.last("BSM")["over_temperature_state"] == 1
    assert charger.last("BSM")["highest_temperature_c"] == pytest.approx(57, abs=1)


def test_too_much_voltage_or_current_ends_the_charge() -> None:
    for inlet, reason in (
        (Inlet(True, 12.0, 424.0, 10.0), "voltage_abnormal"),
        (Inlet(True, 12.0, 390.0, 160.0), "over_current"),
    ):
        charger = ScriptedCharger()
        charger.reach(Phase.CHARGING)
        charger.inlet = inlet
        charger.run(5.5, "CCS")
        assert charger.last("BST")[reason] == 1


def test_the_cold_pack_pauses_once_and_resumes() -> None:
    charger = ScriptedCharger("cold-pack")
    charger.reach(Phase.CHARGING)
    charger.inlet = Inlet(True, 12.0, 360.0, 20.0)
    charger.run(40.0, "CCS")
    permits = [values["charging_permitted"] for _, name, values in charger.heard if name == "BSM"]
    changes = [permit for permit, _ in itertools.groupby(permits)]
    assert changes == [True, False, True]
    assert permits.count(False) * 0.25 == pytest.approx(12.0, abs=0.5)


def test_the_bus_reports_every_cell_and_temperature() -> None:
    charger = ScriptedCharger("bus")
    charger.reach(Phase.CHARGING)
    heard = charger.run(12.0, "CCS")
    assert len(charger.times("BMV")) == 2
    assert len(charger.times("BMT")) == 2
    assert len(charger.times("BSP")) == 2
    assert len(charger.last("BMV")["cell_voltages_v"]) == 126
    assert len(charger.last("BMT")["temperatures_c"]) == 24
    assert heard["BCL"] == pytest.approx(240, abs=5), "long messages do not hold up the demand"
    assert heard["BCS"] > 40


@pytest.mark.parametrize("name", ["BCL", "BST"])
def test_send_times_are_uneven_around_an_exact_period(name: str) -> None:
    charger = ScriptedCharger()
    charger.reach(Phase.CHARGING)
    if name == "BST":
        charger.vehicle.command("stop", charger.now_s)
        charger.run(4.0)
    else:
        charger.run(20.0, "CCS")
    times_s = charger.times(name)
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    period_s = MESSAGES[name].period_s
    assert sum(gaps_s) / len(gaps_s) == pytest.approx(period_s, rel=0.02)
    # A tenth of the period to either side of the grid, and 2 ms for the steps of this test's time.
    assert max(gaps_s) <= period_s * 1.2 + 0.0041
    assert min(gaps_s) >= period_s * 0.8 - 0.0041
    assert len({round(gap_s, 3) for gap_s in gaps_s}) > 1


def test_the_same_seed_gives_the_same_send_times() -> None:
    def sent(seed: int) -> list[tuple[float, str]]:
        charger = ScriptedCharger(seed=seed)
        charger.reach(Phase.CHARGING)
        charger.run(3.0, "CCS")
        return [(at_s, name) for at_s, name, _ in charger.heard]

    assert sent(3) == sent(3)
    assert sent(3) != sent(4)


# --------------------------------------------------------------------------------------------------- misbehaviour


def test_silence_and_speak(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.vehicle.command("silence bcl", charger.now_s)
    heard = charger.run(2.0, "CCS")
    assert heard["BCL"] == 0
    assert heard["BSM"] > 0
    charger.vehicle.command("speak all", charger.now_s)
    assert charger.run(1.0, "CCS")["BCL"] > 15


def test_never_ready(charger: ScriptedCharger) -> None:
    charger.vehicle.command("ready no", charger.now_s)
    charger.reach(Phase.PREPARING)
    charger.run(20.0, "CML")
    assert charger.last("BRO") == {"ready": False}
    charger.vehicle.command("ready yes", charger.now_s)
    charger.run(1.0, "CML")
    assert charger.last("BRO") == {"ready": True}


def test_wrong_length_and_its_end() -> None:
    charger = ScriptedCharger()
    charger.reach(Phase.HANDSHAKE)
    charger.vehicle.command("length BRM 8", charger.now_s)
    first = len(charger.frames)
    with pytest.raises(ValueError, match="BRM has 8 bytes"):
        charger.run(0.3, "CRM-00")
    (frame,) = [each for each in charger.frames[first:] if each.identifier == MESSAGES["BRM"].identifier]
    assert len(frame.data) == 8, "a single frame where the standard has a transfer"
    charger.vehicle.command("length BRM right", charger.now_s)
    assert charger.run(0.6, "CRM-00")["BRM"] >= 1


def test_mismatch_of_the_battery_voltage(charger: ScriptedCharger) -> None:
    charger.vehicle.command("mismatch -20", charger.now_s)
    charger.reach(Phase.PARAMETERS)
    charger.run(0.2, "CRM-AA")
    true_v = charger.vehicle.battery.source_voltage_v
    assert charger.last("BCP")["battery_voltage_v"] == pytest.approx(0.8 * true_v, abs=0.1)


def test_absurd_demand(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.vehicle.command("demand 1200 400", charger.now_s)
    charger.run(0.3, "CCS")
    assert (charger.last("BCL")["voltage_v"], charger.last("BCL")["current_a"]) == (1200, 400)
    charger.vehicle.command("demand own", charger.now_s)
    charger.run(0.3, "CCS")
    assert charger.last("BCL")["current_a"] == 140


def test_permit_and_untrusted_states(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.vehicle.command("permit off", charger.now_s)
    charger.vehicle.command("untrusted over_temperature", charger.now_s)
    charger.run(5.0, "CCS")
    assert charger.last("BSM")["charging_permitted"] is False
    assert charger.last("BSM")["over_temperature_state"] == 2
    assert charger.phase() is Phase.CHARGING


def test_frozen_it_says_nothing_and_keeps_its_contactors_until_the_supply_goes(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.vehicle.command("freeze", charger.now_s)
    first = len(charger.frames)
    charger.run(20.0, "CST")
    assert len(charger.frames) == first
    assert charger.closed()
    charger.inlet = Inlet(False, 0.0)
    charger.run(0.1)
    assert not charger.closed()
    charger.inlet = Inlet(True, 12.0)
    assert charger.run(2.0, "CHM")["BHM"] > 0, "switched off and on it works again"


def test_contactors_forced_open_under_load(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    charger.inlet = Inlet(True, 12.0, 380.0, 100.0)
    charger.vehicle.command("contactors open", charger.now_s)
    charger.run(0.1, "CCS")
    assert not charger.closed()


def test_without_timers_it_goes_on_in_silence(charger: ScriptedCharger) -> None:
    charger.vehicle.command("timers off", charger.now_s)
    charger.reach(Phase.CHARGING)
    charger.run(20.0)
    assert charger.phase() is Phase.CHARGING


def test_a_raw_frame_goes_out_as_it_is(charger: ScriptedCharger) -> None:
    charger.reach(Phase.HANDSHAKE)
    charger.vehicle.command("raw 1C3456F4 01 02 ff", charger.now_s)
    (frame,) = [each for each in charger.vehicle.poll(charger.now_s) if each.identifier == 0x1C3456F4]
    assert frame.data == bytes((1, 2, 255))


def test_normal_takes_everything_back(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    for command in ("silence all", "length BCS 3", "demand 10 10", "fault soc", "permit off", "mismatch 5"):
        assert charger.vehicle.command(command, charger.now_s).ok
    charger.vehicle.command("normal", charger.now_s)
    heard = charger.run(1.0, "CCS")
    assert heard["BCL"] > 15
    assert heard["BCS"] >= 3
    assert charger.last("BSM")["charging_permitted"] is True
    assert charger.last("BCL")["current_a"] == 140


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("", "empty"),
        ("dance", "no command 'dance'"),
        ("silence CCS", "sends no CCS"),
        ("silence", "write: silence NAME"),
        ("stop now", "no field now"),
        ("stop", "nothing to stop"),
        ("soc 120", "outside 0 to 100"),
        ("soc much", "not a number"),
        ("fault nonsense", "no state nonsense"),
        ("permit maybe", "neither on nor off"),
        ("raw zz 00", "hexadecimal"),
        ("raw 20000000 00", "29 bits"),
        ("demand 400", "VOLTS AMPERES"),
        ("length all 3", "sends no all"),
    ],
)
def test_a_wrong_command_is_refused_with_what_is_allowed(charger: ScriptedCharger, command: str, answer: str) -> None:
    reply = charger.vehicle.command(command, charger.now_s)
    assert not reply.ok
    assert answer in reply.reply


def test_foreign_and_malformed_frames_change_nothing(charger: ScriptedCharger) -> None:
    charger.reach(Phase.CHARGING)
    for identifier, data in (
        (0x1812F456, b"\x00" * 3),  # CCS too short
        (0x0070F4B5, b"\x01" * 8),  # vendor frame
        (0x1CECF456, b"\x10\xff\xff\xff\xff\x00\x99\x00"),  # request to send an unknown message
        (0x1CEBF456, b"\x01" + b"\x00" * 7),
        (0x1899F456, b""),
    ):
        charger.vehicle.receive(CanFrame(identifier, data), charger.now_s)
    assert charger.vehicle.unreadable == 1
    assert charger.run(0.5, "CCS")["BCL"] > 5
    assert charger.phase() is Phase.CHARGING


# ------------------------------------------------------------------------------------------- report and lone inlet


def test_the_report_is_json() -> None:
    charger = ScriptedCharger()
    charger.run(1.0, "CHM")
    charger.run(0.5, "CRM-00")
    report = json.loads(charger.vehicle.command("state", charger.now_s).reply)
    assert report["phase"] == "recognition"
    assert report["heard"]["CRM"] >= 1
    assert report["last_heard"]["CRM"]["area_code"] == "ffffff"


def test_alone_the_bus_stands_for_supply_and_current() -> None:
    charger = ScriptedCharger()
    inlet = AloneInlet()
    assert inlet.inlet(charger.vehicle, 0.0) == Inlet(True, 0.0, 0.0, 0.0)
    charger.reach(Phase.CHARGING)
    charger.run(0.5, "CCS")
    inlet.receive(CanFrame(identifier_of("CCS"), b""), charger.now_s)
    state = inlet.inlet(charger.vehicle, charger.now_s)
    source = charger.vehicle.source
    assert state.auxiliary_voltage_v == 12.0
    assert state.current_a == 50.0
    assert state.terminal_voltage_v == pytest.approx(source.open_circuit_voltage_v + 50 * source.resistance_ohm)
    assert inlet.inlet(charger.vehicle, charger.now_s + 2).current_a == 0.0, "an old CCS is no CCS"
    assert inlet.inlet(charger.vehicle, charger.now_s + 16).auxiliary_voltage_v == 0.0
