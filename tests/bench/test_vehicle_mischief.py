"""Every misbehaviour of GB/T 34658-2017 in virtual time, and each command of the table on its own."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from test_vehicle_bms import ScriptedCharger
from vehicle_pile import Pile

from drivers.gbt27930.charger.dialogue import EventKind, StopCause
from drivers.gbt27930.charger.dialogue import Phase as ChargerPhase
from drivers.gbt27930.messages.table import identifier_of
from hil_tests.bench.vehicle import profile as profiles
from hil_tests.bench.vehicle.bms import Phase
from hil_tests.bench.vehicle.cadence import Cadence
from hil_tests.bench.vehicle.mischief import COMMANDS, ORDERS_AT_MOST, SIGNS, help_text
from hil_tests.bench.vehicle.profile import PROFILES_FOLDER, ProfileError, load_profile
from hil_tests.conformance.case import AwaitCurrent, Case, Stop, Vehicle
from hil_tests.conformance.catalogue import CASES

MISBEHAVIOURS = [case for case in CASES if case.missing is not None]


def say(pile: Pile, command: str) -> None:
    reply = pile.vehicle.command(command, pile.now_s)
    assert reply.ok, f"{command}: {reply.reply}"


@pytest.mark.parametrize("case", MISBEHAVIOURS, ids=lambda case: case.id)
def test_the_charger_names_what_it_misses(case: Case) -> None:
    pile = Pile(case.profile)
    for command in case.before:
        say(pile, command)
    for step in case.steps:
        if isinstance(step, AwaitCurrent):
            pile.run_until(ChargerPhase.CHARGING, 40)
            pile.run(3.0)
        elif isinstance(step, Vehicle):
            say(pile, step.command)
        elif isinstance(step, Stop):
            pile.charger.stop(pile.now_s, StopCause.MANUAL)
    pile.run_until(ChargerPhase.TIMED_OUT, 80)
    assert pile.charger.missing == case.missing
    assert EventKind.TIMEOUT in pile.kinds()


def test_every_negative_item_of_the_standard_is_here_but_the_one_without_a_time_out() -> None:
    negative = {case.item for case in CASES if case.item.startswith("DN.")}
    assert negative - {case.item for case in MISBEHAVIOURS} == {"DN.2009"}


def test_ready_falls_back_after_it_was_reported() -> None:
    pile = Pile("nmc-car")
    say(pile, "contactors open")
    say(pile, "when CRO-00 0.5 ready no")
    pile.run_until(ChargerPhase.WAIT_READY, 40)
    pile.run(1.0)
    assert EventKind.NOT_READY in pile.kinds()
    assert pile.charger.phase is ChargerPhase.ENDED


def test_a_long_message_without_the_transport_protocol_is_one_frame(charger: ScriptedCharger) -> None:
    charger.is_lenient = True
    charger.vehicle.command("single BRM", charger.now_s)
    charger.reach(Phase.RECOGNITION)
    charger.frames.clear()
    charger.run(0.6, "CRM-00")
    assert {frame.identifier for frame in charger.frames} == {identifier_of("BRM")}
    assert {len(frame.data) for frame in charger.frames} == {8}
    charger.vehicle.command("single none", charger.now_s)
    assert charger.run(0.6, "CRM-00")["BRM"] >= 1


def test_a_message_can_say_anything(charger: ScriptedCharger) -> None:
    charger.reach(Phase.READY)
    charger.vehicle.command("payload BRO FF", charger.now_s)
    charger.run(0.6, "CRO-00")
    assert charger.last("BRO")["ready"] is None
    charger.vehicle.command("payload BRO own", charger.now_s)
    charger.run(0.6, "CRO-00")
    assert charger.last("BRO")["ready"] is True


def test_one_message_instead_of_another(charger: ScriptedCharger) -> None:
    charger.reach(Phase.READY)
    charger.vehicle.command("replace BRO BHM", charger.now_s)
    heard = charger.run(1.0, "CRO-00")
    assert heard["BRO"] == 0
    assert heard["BHM"] >= 3
    charger.vehicle.command("replace BRO none", charger.now_s)
    assert charger.run(1.0, "CRO-00")["BRO"] >= 3


def test_a_message_goes_on_beyond_its_phase_until_it_is_no_longer_kept(charger: ScriptedCharger) -> None:
    charger.vehicle.command("keep BHM", charger.now_s)
    charger.reach(Phase.PARAMETERS)
    assert charger.run(1.0, "CRM-AA")["BHM"] >= 3
    charger.vehicle.command("keep none", charger.now_s)
    charger.run(0.3, "CML")
    assert charger.run(1.0, "CML")["BHM"] == 0


def test_a_kept_message_ends_with_the_supply(charger: ScriptedCharger) -> None:
    charger.vehicle.command("keep BHM", charger.now_s)
    charger.reach(Phase.RECOGNITION)
    charger.inlet = type(charger.inlet)(True, 0.0)
    assert charger.run(1.0) == Counter()


def test_a_command_waits_for_its_sign_and_its_time(charger: ScriptedCharger) -> None:
    assert charger.vehicle.command("when crm-aa 0.5 silence BCP", charger.now_s).ok
    charger.reach(Phase.RECOGNITION)
    assert charger.vehicle.mischief.silenced == set()
    charger.run(0.4, "CRM-AA")
    assert charger.vehicle.report(charger.now_s)["waiting"] == []
    assert charger.vehicle.mischief.silenced == set()
    charger.run(0.2, "CRM-AA")
    assert charger.vehicle.mischief.silenced == {"BCP"}


def test_what_waits_can_be_forgotten_and_is_bounded(charger: ScriptedCharger) -> None:
    vehicle = charger.vehicle
    for _ in range(ORDERS_AT_MOST):
        assert vehicle.command("when CHM silence BHM", 0.0).ok
    assert not vehicle.command("when CHM silence BHM", 0.0).ok
    assert vehicle.report(0.0)["waiting"][0] == "CHM: silence BHM"
    assert vehicle.command("when none", 0.0).ok
    assert vehicle.report(0.0)["waiting"] == []
    vehicle.command("when CHM 5 silence BHM", 0.0)
    charger.run(1.5, "CHM")
    assert vehicle.command("normal", charger.now_s).ok
    charger.run(6.0, "CHM")
    assert vehicle.mischief.silenced == set()


@pytest.mark.parametrize(
    "command",
    [
        "when",
        "when CHM",
        "when BHM silence BHM",
        "when CHM 5",
        "when CHM 1x silence BHM",
        "when CHM 9999 silence BHM",
        "when CHM dance",
        "when CHM when CHM silence BHM",
        "when CHM state",
        "single",
        "single CHM",
        "single all",
        "keep CCS",
        "payload BRO",
        "payload BRO XY",
        f"payload BRM {'00' * 1786}",
        "replace BRO",
        "replace BRO CRO",
        "replace CRO BRO",
    ],
)
def test_a_command_that_cannot_be_understood_is_refused(command: str, charger: ScriptedCharger) -> None:
    reply = charger.vehicle.command(command, 0.0)
    assert not reply.ok
    assert reply.reply


def test_help_names_every_sign_command_and_the_new_ones() -> None:
    text = help_text()
    assert all(usage in text for usage, _ in COMMANDS)
    assert {usage.split()[0] for usage, _ in COMMANDS} >= {"single", "replace", "keep", "when", "stalls"}
    assert len(set(SIGNS)) == len(SIGNS)


def test_the_worst_delay_is_told_once(charger: ScriptedCharger) -> None:
    charger.vehicle.longest_stall_s = 0.0123
    assert charger.vehicle.command("stalls", 0.0).reply == "12.3"
    assert charger.vehicle.command("stalls", 0.0).reply == "0.0"


# --------------------------------------------------------------------------------------- manners of recorded vehicles


def test_intervals_stay_within_what_was_measured_and_keep_the_mean() -> None:
    cadence = Cadence(0.05, 0.0, Random(3), (0.023, 0.081))  # noqa: S311  # a repeatable unevenness
    sent: list[float] = []
    cadence.start(10.0)
    while len(sent) < 4000:
        due_s = cadence.due_s
        assert due_s is not None
        assert cadence.take(due_s)
        sent.append(due_s)
    intervals = [b - a for a, b in pairwise(sent)]
    assert min(intervals) >= 0.023 - 1e-9
    assert max(intervals) <= 0.081 + 1e-9
    assert min(intervals) < 0.026
    assert max(intervals) > 0.078
    assert sum(intervals) / len(intervals) == pytest.approx(0.05, rel=0.005)


def test_the_recorded_car_is_late_at_every_change_of_phase_and_not_alone_on_its_bus() -> None:
    charger = ScriptedCharger("recorded-car")
    charger.is_lenient = True
    charger.reach(Phase.PREPARING)
    began_s = charger.vehicle.bms.since_s
    charger.run(1.2, "CML")
    assert max(charger.times("BCP")) > began_s, "BCP trails into the next phase"
    assert charger.run(1.0, "CML")["BCP"] == 0
    foreign = {frame.identifier for frame in charger.frames} & {0x0070F4B5, 0x0073F4B5, 0x183156F4, 0x181055F3}
    assert len(foreign) == 4
    charger.run(2.0, "CML")
    charger.run(0.2, "CRO-AA")
    assert charger.run(3.0, "CCS")["BCL"] > 40
    assert charger.run(0.7, "CST")["BSM"] >= 1, "BSM still comes after CST"
    assert charger.run(1.0, "CST")["BSM"] == 0
    charger.inlet = type(charger.inlet)(True, 0.0)
    charger.run(0.1)
    charger.frames.clear()
    charger.run(1.0)
    assert charger.frames == []


def test_the_recorded_car_charges() -> None:
    pile = Pile("recorded-car")
    pile.run_until(ChargerPhase.CHARGING, 40)
    pile.run(15.0)
    assert pile.charger.missing is None
    assert pile.charger.counters["late"] > 0
    assert pile.current_a > 50


@pytest.mark.parametrize(
    ("manners", "problem"),
    [
        ("[manners.intervals_ms]\nCCS = [20.0, 80.0]\n", "does not send CCS"),
        ("[manners.trailing_s]\nCST = 1.0\n", "does not send CST"),
        ("[manners.intervals_ms]\nBCL = [60.0, 80.0]\n", "around its period of 50 ms"),
        ('[[manners.foreign]]\nidentifier_hex = "3FFFFFFF"\ndata_hex = ""\nperiod_s = 1.0\n', "identifier_hex"),
        ('[[manners.foreign]]\nidentifier_hex = "18"\ndata_hex = "0"\nperiod_s = 1.0\n', "data_hex"),
    ],
)
def test_wrong_manners_are_named(manners: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = (PROFILES_FOLDER / "demo-car.toml").read_text(encoding="utf-8")
    (tmp_path / "odd.toml").write_text(f"{plain}\n{manners}", encoding="utf-8")
    monkeypatch.setattr(profiles, "PROFILES_FOLDER", tmp_path)
    with pytest.raises(ProfileError, match=problem):
        load_profile("odd")


@pytest.fixture
def charger() -> ScriptedCharger:
    return ScriptedCharger()
