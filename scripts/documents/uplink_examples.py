"""One example of each record and message for docs/uplink.md; the tests hold each against the table."""

from typing import Any

_T = 1_764_500_000_000
_SLICE = {
    "start_wall_ms": _T,
    "end_wall_ms": _T + 600_000,
    "rate": "flat",
    "price_electricity_e5": 65000,
    "price_service_e5": 35000,
    "energy_wh": 8000,
    "electricity_e4": 52000,
    "service_e4": 28000,
}
_TARIFF = {
    "id": "shanxi-example",
    "version": 1,
    "electricity_e5": {"flat": 65000},
    "service_e5": {"flat": 35000},
    "slots": ["flat"] * 48,
    "utc_offset_minutes": 480,
}
_DETAIL: dict[str, Any] = {"reasons": ["reached_soc"]}
_MEASURED = {"register_wh": 1234567, "voltage_dv": 4003, "current_da": 1200, "power_w": 48036, "soc_percent": 56}
_MOVED = {"former_wh": 1234567, "register_wh": 12}

EVENTS: dict[str, dict[str, Any]] = {
    "battery": {
        "maximum_voltage_v": 417.6,
        "maximum_current_a": 250.0,
        "soc_percent": 54.2,
        "battery_voltage_v": 365.4,
    },
    "insulation": {"plus_kohm": 2000, "minus_kohm": 1900, "voltage_dv": 5000, "ohm_per_v": 3800},
    "vehicle_stop": {"detail": _DETAIL},
    "paused": {"detail": {"charging_permitted": False}},
    "resumed": {"detail": {"charging_permitted": True}},
    "version_negotiation": {"detail": {"version": "1.1.0", "payload": "010100"}},
    "message_refused": {"message": "BCL", "detail": {"problem": "5 bytes wanted, 4 received"}},
    "contact_lost": {"cause": "bms_timeout_bcl", "reconnects_left": 3, "detail": {"waited_for": "BCL"}},
    "reconnect": {"number": 1, "cause": "bms_timeout_bcl"},
    "charger_limits": {"maximum_voltage_v": 750.0, "maximum_current_a": 250.0},
    "protocol_violation": {
        "code": "period.late",
        "message": "BCL",
        "expected": "50 ms",
        "seen": "180 ms",
        "text_zh": "周期过长",
        "text_en": "interval too long",
    },
    "stop_asked": {"message": "BST", "causes": "reached_soc", "first_side": "vehicle"},
    "vehicle_fault": {"message": "BSM", "states": "battery_temperature"},
    "vehicle_attempt": {"attempt": 2},
    "vehicle_pause": {"attempt": 1},
    "vehicle_resume": {"attempt": 1},
    "energy_disagrees": {"register_wh": 8000, "csd_wh": 9100},
    "register_lower": {**_MOVED, "since": "last_session"},
    "register_jumped": {"former_wh": 1234567, "register_wh": 2345678},
    "register_rolled_over": {**_MOVED, "modulus_wh": 10_000_000},
    "register_resumed": {"former_wh": 1234567, "register_wh": 1234600},
    "power_budget": {"power_w": 64635, "by": "incomer"},
    "power_limit_expired": {"origin": "platform"},
    "power_group": {"group": "B", "state": "joined", "connector": 1},
    "internal_error": {"error": "ValueError: x", "place": "charging:41"},
    "records_omitted": {"count": 12},
    "records_missing": {"boot_id": "f3b1c2d4", "from": 17, "to": 20},
    "readings_damaged": {"file": "readings.damaged-20261130T120000.sqlite"},
}
AUDITS: dict[str, dict[str, Any]] = {
    "meter_unit_proven": {
        "proof": "djsf1352-rn/202601010001/10",
        "model": "acrel-djsf1352-rn",
        "serial_number": "202601010001",
        "energy_unit_wh": "10",
        "display_mwh": 1234560000,
        "display_step_mwh": 10000,
        "register_wh": 1234560,
        "by": "Li",
    },
    "meter_exchanged": {
        "old": {"serial_number": "202101010007", "register_end_wh": 98765430},
        "new": {"serial_number": "202601010001", "register_start_wh": 0},
        "register_wh": 0,
        "former_wh": 98765430,
        "by": "Li",
        "reason": "verification due",
    },
}
KINDS: dict[str, dict[str, Any]] = {
    "alarm_raised": {"fault": "door_open", "level": 1, "action": "open", "snapshot": {"door_open": True}},
    "alarm_cleared": {"fault": "door_open", "level": 1, "action": "open"},
    "session_started": {
        "origin": "platform",
        "command_id": "c-20261130-1",
        "user": "u-17",
        "limits": {"energy_wh": 30000},
        "register_wh": 1226567,
        "tariff": _TARIFF,
        "meter": {"model": "acrel-djsf1352-rn", "address": 1, "serial_number": "202601010001", "unit_proven": True},
        "maximum_power_w": 60000,
        "started_wall_ms": _T,
    },
    "session_vehicle": {"version": "1.1.0", "battery_type": 3, "rated_voltage_v": 350.4, "vin": "LTEST000000000001"},
    "session_progress": {**_MEASURED, "energy_wh": 8000, "rate": "flat"},
    "session_ended": {
        "result": "settled",
        "stop_reason": "vehicle",
        "faults": [],
        "origin": "platform",
        "command_id": "c-20261130-1",
        "register_start_wh": 1226567,
        "register_end_wh": 1234567,
        "energy_wh": 8000,
        "slices": [_SLICE],
        "amount_e4": 80000,
        "rounding": "half-up-per-slice",
        "register_source": "meter",
        "duration_s": 600,
        "started_wall_ms": _T,
        "ended_wall_ms": _T + 600_000,
        "closed_by": "control",
    },
    "session_signed": {
        "seq": 41,
        "record_id": 5120,
        "number": 310,
        "at_us": 600000000,
        "previous_hash": "7f78a550",
        "hash": "a193f434",
        "public_key": "03a107bf",
        "signature": "b16a190d",
    },
    "state": {"state": "charging", "previous": "precharge", "reasons": []},
    "command": {"id": "c-20261130-1", "name": "start", "origin": "platform", "result": "accepted", "reason": ""},
    "register_snapshot": {"quarter_wall_ms": _T, "delay_ms": 20, "register_wh": 1234567, "age_ms": 640},
    "power_quality": {
        "meter": "acrel-adw300",
        "begin_wall_ms": _T,
        "indicative": True,
        "values": {
            "voltage_l1_v": {
                "count": 600,
                "scale": 100,
                "minimum": 22812,
                "mean": 23021,
                "maximum": 23155,
                "p95": 23102,
            }
        },
        "exceeded": [],
    },
    "power_quality_event": {
        "meter": "acrel-adw300",
        "what": "sag",
        "signal": "voltage_l1_v",
        "begin_wall_ms": _T,
        "duration_ms": 2000,
        "extreme_cv": 18740,
        "nominal_cv": 23000,
        "resolution_ms": 1000,
        "indicative": True,
    },
    "telemetry": {"state": "charging", **_MEASURED, "energy_wh": 8000},
}

ENVELOPE: dict[str, Any] = {
    "v": 1,
    "s": "session",
    "q": 41,
    "b": "f3b1c2d4",
    "t": _T,
    "tq": "synced",
    "h": 0,
    "c": 1,
    "k": "session_progress",
    "sid": "SX-0001-1-1764500000000-f3b1001",
    "d": KINDS["session_progress"],
}
RESPONSE: dict[str, Any] = {
    "v": 1,
    "id": "c-20261130-1",
    "result": "rejected",
    "t": _T,
    "b": "n8c0d2e4f6a8b0c2",
    "code": "no value: cc1_voltage_v, door_open",
    "reasons": [{"code": "no value", "detail": "cc1_voltage_v"}, {"code": "door_open"}],
}
BIRTH: dict[str, Any] = {
    "v": 1,
    "online": True,
    "b": "n8c0d2e4f6a8b0c2",
    "ledger": "9f8e7d6c5b4a3928",
    "t": _T,
    "role": "charger",
    "versions": {"agent": "0.1.0", "scheme": 1},
    "unacknowledged": {"tele": [120, 155]},
    "watermarks": {"alarm": 3, "session": 40, "state": 88, "event": 60, "tele": 100},
    "connectors": {"1": "charger", "2": "charger"},
}
FAREWELL: dict[str, Any] = {"v": 1, "online": False, "b": "n8c0d2e4f6a8b0c2", "graceful": True}
COMMAND: dict[str, Any] = {
    "id": "c-20261130-1",
    "name": "start",
    "c": 1,
    "args": {"energy_wh": 30000, "user": "u-17"},
    "iat": _T,
    "exp": _T + 60_000,
}
WATERMARKS: dict[str, Any] = {"alarm": 3, "session": 41, "tele": 155}
