import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hil_tests.demo.summary import (
    Outcome,
    cents,
    contactors_not_open,
    judge,
    kilowatt_hours,
    price,
    standstill,
    summary,
    yuan,
)

# 2026-05-04 06:59:00 UTC is 14:59 in China; the second slice begins at 15:00 there.
ENDED: dict[str, Any] = {
    "result": "settled",
    "stop_reason": "vehicle",
    "faults": [],
    "register_start_wh": 1_234_567,
    "register_end_wh": 1_235_567,
    "energy_wh": 1000,
    "slices": [
        {
            "start_wall_ms": 1_777_877_940_000,
            "end_wall_ms": 1_777_878_000_000,
            "rate": "flat",
            "price_electricity_e5": 60_000,
            "price_service_e5": 35_000,
            "energy_wh": 600,
            "electricity_e4": 3600,
            "service_e4": 2100,
        },
        {
            "start_wall_ms": 1_777_878_000_000,
            "end_wall_ms": 1_777_878_030_000,
            "rate": "peak",
            "price_electricity_e5": 90_000,
            "price_service_e5": 35_000,
            "energy_wh": 400,
            "electricity_e4": 3600,
            "service_e4": 1400,
        },
    ],
    "amount_e4": 10700,
    "duration_s": 90,
    "soc_start_percent": 80,
    "soc_end_percent": 97,
}
GOOD_PROBE = {"contactor_k1": False, "contactor_k2": False}


def good() -> Outcome:
    return Outcome(
        ended=dict(ENDED),
        session_id="SX-1",
        records={"last_number": 41, "acknowledged": 41},
        uplink_pending=0,
        published={"state": 9, "session": 4},
        probes={1: dict(GOOD_PROBE)},
        agent_exit_code=0,
    )


def test_a_good_run_has_no_reason_against_it() -> None:
    assert judge(good(), "en") == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ended": None}, "the record holds no ended session"),
        ({"ended": {**ENDED, "result": "failed"}}, "the session's result is failed, not settled"),
        ({"ended": {**ENDED, "energy_wh": 0}}, "the meter's register did not move"),
        ({"records": {"last_number": 41, "acknowledged": 39}}, "2 records were not durable"),
        ({"records": {}}, "no record was seen"),
        ({"uplink_pending": 3}, "3 messages are not confirmed by the broker"),
        ({"uplink_pending": None}, "the agent did not report what the broker confirmed"),
        ({"probes": {1: {**GOOD_PROBE, "contactor_k2": True}}}, "contactors not open: K2 closed"),
        ({"probes": {}}, "contactors not open: K1 unknown, K2 unknown"),
        ({"agent_exit_code": 1}, "the agent ended with exit code 1"),
        ({"agent_exit_code": None}, "the agent ended with exit code None"),
        ({"processes_left": ["77 mosquitto"]}, "a process had to be ended: 77 mosquitto"),
    ],
)
def test_each_thing_that_went_wrong_is_one_reason(change: dict[str, Any], reason: str) -> None:
    outcome = good()
    for name, value in change.items():
        setattr(outcome, name, value)
    assert judge(outcome, "en") == [reason]
    assert len(judge(outcome, "zh")) == 1


def test_open_means_that_the_bench_says_open() -> None:
    assert contactors_not_open(GOOD_PROBE) == ""
    assert contactors_not_open({"contactor_k1": None, "contactor_k2": False}) == "K1 unknown"


@pytest.mark.parametrize(
    ("amount", "written"), [(0, "0.0000"), (10700, "1.0700"), (-5, "-0.0005"), (12_345_678, "1234.5678")]
)
def test_money_keeps_every_digit(amount: int, written: str) -> None:
    assert yuan(amount) == written


def test_a_rounded_amount_is_shown_rounded_and_any_other_as_it_is() -> None:
    assert cents(5900) == "0.59"
    assert cents(5926) == "0.5926"


def test_prices_and_energy_keep_every_digit() -> None:
    assert price(61_234) == "0.61234"
    assert kilowatt_hours(1_235_567) == "1235.567"
    assert kilowatt_hours(7) == "0.007"


def written(outcome: Outcome, language: Any = "en") -> str:
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(
        summary(
            outcome,
            language,
            fault_catalogue=Path("/nonexistent"),
            utc_offset_minutes=480,
            record_folder="build/run/x/state",
        )
    )
    return console.export_text()


def test_the_summary_shows_session_bill_and_way_back() -> None:
    shown = written(good())
    for part in (
        "SX-1",
        "settled",
        "[vehicle]",
        "1.000 kWh",
        "1234.567 → 1235.567 kWh",
        "1:30",
        "80 % → 97 %",
        "13 (session 4, state 9)",
        "build/run/x/state",
        "14:59:00-15:00:00",
        "15:00:00-15:00:30",
        "0.60000 + 0.35000",
        "0.5700",
        "1.0700",
        "1.07 CNY",
    ):
        assert part in shown, part
    assert "尖" not in shown


def test_the_summary_in_chinese_names_the_rates() -> None:
    shown = written(good(), "zh")
    assert "平" in shown
    assert "峰" in shown


def test_a_refused_session_has_a_summary_without_bill() -> None:
    outcome = good()
    outcome.ended = {"result": "refused", "stop_reason": "door_open"}
    shown = written(outcome)
    assert "refused" in shown
    assert "door_open" in shown


def test_a_machine_that_stood_still_is_named() -> None:
    outcome = good()
    outcome.probes = {1: {**GOOD_PROBE, "standstills": [{"at_s": 5.0, "length_s": 0.29}]}}
    assert standstill(outcome, "en") == ""
    outcome.probes = {
        1: {**GOOD_PROBE, "standstills": [{"at_s": 5.0, "length_s": 1.31}, {"at_s": 6.0, "length_s": 0.5}]}
    }
    assert "stalled for 1.3 s" in standstill(outcome, "en")
    assert "1.3" in standstill(outcome, "zh")
