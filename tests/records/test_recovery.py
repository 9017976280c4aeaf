"""A session closed from the record bears the bill that it would have had without the interruption."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from record_messages import WALL_MS, message

from agent.control.metering.billing import Bill, Billing, BillingTariff
from agent.records.recovery import recovered_end, unreadable_end
from agent.vocabulary.check import problems
from agent.vocabulary.record import Record

_RATES = ("sharp", "peak", "flat", "valley")
_TARIFF = BillingTariff(
    id="test",
    version=3,
    electricity_e5={"sharp": 120_001, "peak": 98_765, "flat": 65_433, "valley": 30_007},
    service_e5={"sharp": 40_000, "peak": 40_000, "flat": 35_001, "valley": 20_000},
    slots=tuple(_RATES[(slot // 3) % 4] for slot in range(48)),
    utc_offset_minutes=480,
)


def _recovered(records: list[Record], **arguments: Any) -> tuple[dict[str, Any], list[Any]]:
    """As ``recovered_end``; what it gives fits the table."""
    end = recovered_end(records, **arguments)
    body = {**end.body}
    assert problems("session_ended", body) == []
    for event in end.events:
        assert problems("event", {**event}) == []
    return body, list(end.events)


def _charge(steps: list[tuple[int, int]], *, every: int) -> tuple[Bill, list[Record], int]:
    """A charge with a reading at each step (seconds, Wh); progress as the control core records it.

    Returns the bill that the control core makes, the records and the wall time of the last record.
    """
    billing = Billing(_TARIFF)
    register_wh, wall_ms, waited = 1_000_000, WALL_MS, 0
    billing.start(register_wh, wall_ms)
    started = {
        "origin": "platform",
        "command_id": "c1",
        "register_wh": register_wh,
        "tariff": _TARIFF.as_record(),
        "started_wall_ms": wall_ms,
    }
    records = [message(1, "session_started", session="s", body=started, wall_ms=wall_ms)]
    for seconds, energy_wh in steps:
        wall_ms += seconds * 1000
        register_wh += energy_wh
        waited += seconds
        if billing.sample(register_wh, wall_ms) or waited >= every:
            waited = 0
            body = {"register_wh": register_wh, "rate": billing.rate, "soc_percent": 40 + len(records)}
            records.append(message(len(records) + 1, "session_progress", session="s", body=body, wall_ms=wall_ms))
    return billing.finish(register_wh, wall_ms), records, wall_ms


_STEPS = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 5000)), min_size=1, max_size=40)


@given(_STEPS)
def test_the_bill_equals_the_uninterrupted_one(steps: list[tuple[int, int]]) -> None:
    bill, records, wall_ms = _charge(steps, every=15)
    body, events = _recovered(
        records, register_wh=bill.register_end_wh, last_wall_ms=wall_ms, stop_reason="control_restarted"
    )
    assert {key: body[key] for key in bill.as_record()} == bill.as_record()
    assert sum(part["energy_wh"] for part in body["slices"]) == body["energy_wh"]
    assert events == []


@given(_STEPS, st.integers(0, 40), st.integers(0, 3000))
def test_an_interrupted_session_pays_exactly_what_the_register_says(
    steps: list[tuple[int, int]], kept: int, since_wh: int
) -> None:
    _, records, _ = _charge(steps, every=60)
    known = records[: kept + 1]
    last_wh = known[-1].body["register_wh"]
    body, _ = _recovered(known, register_wh=last_wh + since_wh, last_wall_ms=0, stop_reason="power_lost")
    assert body["energy_wh"] == last_wh + since_wh - 1_000_000
    assert sum(part["energy_wh"] for part in body["slices"]) == body["energy_wh"]
    assert body["ended_wall_ms"] == known[-1].wall_ms
    assert body["register_source"] == "meter"


def test_a_silent_meter_leaves_the_last_known_register() -> None:
    bill, records, _ = _charge([(20, 500), (20, 500)], every=15)
    body, events = _recovered(records, register_wh=None, last_wall_ms=0, stop_reason="power_lost")
    assert body["register_end_wh"] == bill.register_end_wh
    assert body["register_source"] == "last_record"
    assert events == []


def test_a_register_that_went_back_is_told_and_not_billed() -> None:
    bill, records, _ = _charge([(20, 500), (20, 500)], every=15)
    body, events = _recovered(records, register_wh=5, last_wall_ms=0, stop_reason="power_lost")
    assert body["register_end_wh"] == bill.register_end_wh
    assert body["register_source"] == "last_record"
    assert events == [{"event": "register_lower", "session": "s", "former_wh": bill.register_end_wh, "register_wh": 5}]


def test_what_else_is_known_of_the_session() -> None:
    _, records, _ = _charge([(20, 500), (20, 500)], every=15)
    extra: list[tuple[str, dict[str, Any]]] = [
        ("session_vehicle", {"vin": "LTEST000000000001"}),
        ("alarm_raised", {"fault": "door_open", "action": "open"}),
        ("alarm_raised", {"fault": "uplink_lost", "action": "log"}),
    ]
    for kind, body in extra:
        records.append(message(len(records) + 1, kind, session="s", body=body, wall_ms=WALL_MS + 41_000))
    body, _ = _recovered(records, register_wh=None, last_wall_ms=WALL_MS + 43_000, stop_reason="power_lost")
    assert body["vin"] == "LTEST000000000001"
    assert body["faults"] == ["door_open"]
    assert (body["soc_start_percent"], body["soc_end_percent"]) == (41, 42)
    assert (body["started_wall_ms"], body["ended_wall_ms"]) == (WALL_MS, WALL_MS + 43_000)
    assert body["duration_s"] == 43
    assert (body["result"], body["closed_by"], body["origin"], body["command_id"]) == (
        "failed",
        "recovery",
        "platform",
        "c1",
    )


def test_a_start_record_without_tariff_is_refused() -> None:
    records = [message(1, "session_started", session="s", body={"register_wh": 5})]
    with pytest.raises(KeyError):
        recovered_end(records, register_wh=9, last_wall_ms=0, stop_reason="power_lost")
    body = unreadable_end(records, stop_reason="power_lost", problem="no tariff")
    assert problems("session_ended", {**body}) == []
    assert (body["energy_wh"], body["amount_e4"], body["problem"]) == (0, 0, "no tariff")


def _with_meter(records: list[Record], **meter: int) -> list[Record]:
    """The same charge, whose start names the meter's form and the pile's power."""
    body = {**records[0].body, "meter": meter, "maximum_power_w": 60_000}
    return [replace(records[0], body=body), *records[1:]]


def _close(records: list[Record], register_wh: int) -> tuple[dict[str, Any], list[Any]]:
    return _recovered(records, register_wh=register_wh, last_wall_ms=records[-1].wall_ms, stop_reason="power_lost")


_BEGIN_WH = 1_000_000
# 60 kW * 1.2 is 20 Wh a second: 120 s that nobody saw, 5 s of lag, two digits.
_MOST_WH = 125 * 20 + 2


@pytest.mark.parametrize(("over_wh", "billed"), [(0, True), (1, False)])
def test_a_register_that_jumped_while_nobody_looked_is_not_billed(over_wh: int, billed: bool) -> None:
    _, records, _ = _charge([(10, 100)], every=1)
    last_wh = _BEGIN_WH + 100
    body, events = _close(_with_meter(records), last_wh + _MOST_WH + over_wh)
    if billed:
        assert (body["register_source"], body["energy_wh"]) == ("meter", 100 + _MOST_WH)
        assert events == []
    else:
        assert (body["register_source"], body["energy_wh"]) == ("last_record", 100)
        [event] = events
        assert event == {
            "event": "register_jumped",
            "session": "s",
            "former_wh": last_wh,
            "register_wh": last_wh + _MOST_WH + 1,
        }


def test_a_register_that_began_again_while_nobody_looked_is_billed_whole() -> None:
    _, records, _ = _charge([(10, 100)], every=1)
    records = _with_meter(records, register_modulus_wh=_BEGIN_WH + 200, register_step_mwh=1000)
    body, events = _close(records, 50)
    assert events == []
    assert body["energy_wh"] == 250
    assert (body["register_end_wh"], body["register_rollovers"]) == (50, 1)
    assert body["register_modulus_wh"] == _BEGIN_WH + 200


def test_progress_across_the_end_of_the_register() -> None:
    _, records, _ = _charge([(10, 100), (10, 100), (10, 100)], every=1)
    modulus_wh = _BEGIN_WH + 150
    rolled = [
        replace(record, body={**record.body, "register_wh": record.body["register_wh"] % modulus_wh})
        for record in _with_meter(records, register_modulus_wh=modulus_wh)
    ]
    body, events = _close(rolled, 160)
    assert events == []
    assert body["energy_wh"] == 310
    assert sum(part["energy_wh"] for part in body["slices"]) == 310


# Charges that were only followed.

_HEARD = {"role": "monitor", "origin": "observed", "from_start": True, "started_wall_ms": WALL_MS}


def _followed(*more: tuple[str, dict[str, Any]], metered: bool) -> list[Record]:
    started: dict[str, Any] = {**_HEARD, "energy_source": "meter" if metered else "vehicle_bus"}
    if metered:
        started |= {"register_wh": 1_000, "tariff": _TARIFF.as_record()}
    bodies = [("session_started", started), *more]
    return [
        message(number, kind, session="s", body=body, wall_ms=WALL_MS + 1000 * number)
        for number, (kind, body) in enumerate(bodies, 1)
    ]


_ALARMS = (
    ("alarm_raised", {"fault": "bms_fault", "level": 1, "action": "log", "role": "monitor"}),
    ("alarm_raised", {"fault": "protocol_violation", "level": 3, "action": "log", "role": "monitor"}),
)


@pytest.mark.parametrize("reason", ["power_lost", "control_restarted"])
def test_a_followed_charge_without_a_meter_is_closed_with_what_was_heard(reason: str) -> None:
    records = _followed(
        ("session_vehicle", {"vin": "V" * 17}),
        ("session_progress", {"energy_wh": 300, "soc_percent": 40}),
        ("session_progress", {"energy_wh": 700, "soc_percent": 42}),
        ("session_progress", {}),
        *_ALARMS,
        metered=False,
    )
    body, events = _recovered(records, register_wh=5_000, last_wall_ms=WALL_MS + 60_000, stop_reason=reason)
    assert events == []
    assert body == {
        "role": "monitor",
        "result": "failed",
        "stop_reason": "listener_lost",
        "faults": ["bms_fault"],
        "origin": "observed",
        "energy_source": "vehicle_bus",
        "energy_wh": 700,
        "energy_quality": "estimate",
        "billing_grade": False,
        "duration_s": 60,
        "started_wall_ms": WALL_MS,
        "ended_wall_ms": WALL_MS + 60_000,
        "closed_by": "recovery",
        "vin": "V" * 17,
        "soc_start_percent": 40,
        "soc_end_percent": 42,
    }


def test_a_followed_charge_with_a_meter_is_closed_with_its_register() -> None:
    records = _followed(("session_progress", {"register_wh": 1_200, "soc_percent": 40}), *_ALARMS, metered=True)
    body, events = _recovered(records, register_wh=1_500, last_wall_ms=WALL_MS, stop_reason="power_lost")
    assert events == []
    assert (body["role"], body["energy_source"], body["stop_reason"]) == ("monitor", "meter", "listener_lost")
    assert (body["energy_wh"], body["register_source"], body["faults"]) == (500, "meter", ["bms_fault"])


def test_a_charge_of_our_own_keeps_its_words() -> None:
    _, records, last_ms = _charge([(10, 50)], every=1)
    body, _ = _recovered(records, register_wh=None, last_wall_ms=last_ms, stop_reason="power_lost")
    assert body["stop_reason"] == "power_lost"
    assert "role" not in body
