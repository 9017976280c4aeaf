"""What is found about the billing meter over time: verification, unit, a register that stands still."""

from datetime import date
from typing import Any

import msgspec
import pytest
from control_world import FAULTS, World, parameters_with

from agent.control.metering.findings import METER_FINDINGS
from agent.control.metering.meter import (
    Metering,
    StuckRegister,
    days_left,
    verification_findings,
)
from agent.vocabulary.record import MeterInLedger
from drivers.meters.register_form import RegisterForm

DUE = date(2027, 5, 1)
LOCAL_MIDNIGHT_MS = 1_809_100_800_000
"""1 May 2027, 00:00 at UTC+8."""


def test_days_are_counted_in_local_time() -> None:
    day = DUE.toordinal()
    assert days_left(day, LOCAL_MIDNIGHT_MS, 480) == 0
    assert days_left(day, LOCAL_MIDNIGHT_MS - 1, 480) == 1
    assert days_left(day, LOCAL_MIDNIGHT_MS + 86_400_000 - 1, 480) == 0
    assert days_left(day, LOCAL_MIDNIGHT_MS + 86_400_000, 480) == -1
    # At UTC it is still the day before.
    assert days_left(day, LOCAL_MIDNIGHT_MS, 0) == 1


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (61, set()),
        (60, {"meter_verification_due"}),
        (31, {"meter_verification_due"}),
        (30, {"meter_verification_near"}),
        (0, {"meter_verification_near"}),
        (-1, {"meter_verification_expired"}),
    ],
)
def test_a_verification_warns_at_60_30_and_0_days(left: int, found: set[str]) -> None:
    assert verification_findings(left, FAULTS, refuse=False) == found
    refused = {"meter_verification_refused"} if left < 0 else set()
    assert verification_findings(left, FAULTS, refuse=True) == found | refused


def metering(**changes: Any) -> Metering:
    values: dict[str, Any] = {
        "verification_due_day": DUE.toordinal(), "refuse_after_verification_due": False
    }  # fmt: skip
    return Metering(parameters_with(**{**values, **changes}))


def find(made: Metering, wall_ms: int = LOCAL_MIDNIGHT_MS, quality: str = "synced", **changes: Any) -> set[str]:
    values: dict[str, Any] = {
        "register_wh": 5, "proof_known": False, "charging": False, "power_w": None
    }  # fmt: skip
    return set(made.findings(100.0, wall_ms, quality, **{**values, **changes}))


@pytest.mark.parametrize("quality", ["synced", "holdover"])
def test_dates_count_while_the_time_is_known(quality: str) -> None:
    assert find(metering(), quality=quality) == {"meter_verification_near"}


def test_nothing_is_said_about_dates_while_the_clock_is_unset_or_no_date_is_known() -> None:
    assert find(metering(), quality="unset") == set()
    assert find(metering(verification_due_day=None)) == set()


def test_an_unproven_unit_is_told() -> None:
    assert find(metering(verification_due_day=None, register_form=DISPUTED), proof_known=True) == {
        "meter_unit_unproven"
    }


def test_all_that_is_found_has_a_name_in_the_list() -> None:
    found = {"meter_unit_unproven", "meter_register_stuck"}
    for left in (-1, 0, 60):
        found |= verification_findings(left, FAULTS, refuse=True)
    assert found == METER_FINDINGS


# A register that stands still.


def stuck_after_s(power_w: float | None, *, form: RegisterForm | None = None, limit_s: int = 200) -> int | None:
    """After how many whole seconds of this power a register that does not move is called stuck."""
    watch = StuckRegister(form or RegisterForm())
    watch.look(100.0, 5, 50.0, charging=True, power_w=power_w)
    for seconds in range(1, limit_s):
        if watch.look(100.0 + seconds, 5, 50.0, charging=True, power_w=power_w):
            return seconds
    return None


def test_a_register_is_stuck_when_the_threshold_and_five_digits_must_have_flowed() -> None:
    # 55 Wh at 3.6 kW, which is 1 Wh a second: at 55 not yet, above it.
    assert stuck_after_s(3600.0) == 56
    assert stuck_after_s(3600.0, form=RegisterForm(step_mwh=10_000)) == 101


def test_and_not_within_the_first_ten_seconds() -> None:
    assert stuck_after_s(360_000.0) == 11


@pytest.mark.parametrize("power_w", [None, 0.0, -50_000.0])
def test_without_energy_no_register_is_stuck(power_w: float | None) -> None:
    assert stuck_after_s(power_w) is None


def test_a_register_that_moves_or_a_charge_that_ends_begins_the_count_anew() -> None:
    watch = StuckRegister(RegisterForm())
    now_s = 100.0
    for register_wh, charging in ((5, True), (6, True), (6, False), (6, True)):
        for _ in range(50):
            now_s += 1.0
            assert not watch.look(now_s, register_wh, 50.0, charging=charging, power_w=3600.0)
    for _ in range(6):
        now_s += 1.0
        stuck = watch.look(now_s, 6, 50.0, charging=True, power_w=3600.0)
    assert stuck


def test_a_meter_that_does_not_answer_is_not_stuck() -> None:
    watch = StuckRegister(RegisterForm())
    watch.look(100.0, 5, 50.0, charging=True, power_w=3600.0)
    for seconds in range(1, 100):
        assert not watch.look(100.0 + seconds, None, 50.0, charging=True, power_w=3600.0)
    # What flowed unseen does not count, and what was counted before still does.
    assert not watch.look(200.0, 5, 50.0, charging=True, power_w=3600.0)


def test_of_a_gap_in_the_evaluations_one_second_counts() -> None:
    watch = StuckRegister(RegisterForm())
    watch.look(100.0, 5, 50.0, charging=True, power_w=3600.0)
    assert not watch.look(1000.0, 5, 50.0, charging=True, power_w=3600.0)
    assert watch.look(1001.0, 5, 0.0, charging=True, power_w=36_000.0)


def test_a_stuck_register_is_found_with_the_threshold_of_the_catalogue() -> None:
    row = msgspec.structs.replace(FAULTS["meter_register_stuck"], threshold=20.0)
    made = metering(verification_due_day=None, faults={**FAULTS, "meter_register_stuck": row})
    found: set[str] = set()
    for seconds in range(60):
        found = set(
            made.findings(
                100.0 + seconds, 0, "unset", register_wh=5, proof_known=False, charging=True, power_w=3600.0,
            )
        )  # fmt: skip
        assert found == ({"meter_register_stuck"} if seconds > 25 else set())


# In the core.

DISPUTED = RegisterForm(step_mwh=1000, unit_disputed=True)
METER = {"model": "m", "serial_number": "s", "energy_unit_wh": "1"}


def test_the_proof_in_the_ledger_counts_for_this_meter_and_this_unit_only() -> None:
    assert parameters_with(meter=METER).meter_proof_key == "m/s/1"
    world = World(register_form=DISPUTED, meter=METER)
    world.run(0.1)
    assert world.log.alarms() == ["meter_unit_unproven"]
    for other in ("n/s/1", "m/t/1", "m/s/0.1"):
        world.core.on_recorder(ready=True, uplink="off", at_s=world.now_s, meter=MeterInLedger(other))
        world.run(1.0)
        assert world.log.cleared() == []
    world.core.on_recorder(ready=True, uplink="off", at_s=world.now_s, meter=MeterInLedger("m/s/1"))
    world.run(1.0)
    assert world.log.cleared() == ["meter_unit_unproven"]


def test_before_the_recorder_has_spoken_nobody_knows_whether_there_is_a_proof() -> None:
    world = World(register_form=DISPUTED, meter=METER)
    world.recorder_there = False
    world.run(1.0)
    assert "meter_unit_unproven" not in world.log.alarms()


@pytest.mark.parametrize("disputed", [True, False])
def test_a_session_says_whether_its_unit_is_proven(disputed: bool) -> None:
    world = World(register_form=RegisterForm(modulus_wh=10**9, unit_disputed=disputed), meter=METER).until("charging")
    (started,) = world.log.kind("session_started")
    assert started.body["meter"] == {**METER, "register_modulus_wh": 10**9, "unit_proven": not disputed}
