"""sessions, session and faults on a real ledger."""

import sqlite3
from pathlib import Path

import pytest
from cli_pile import Pile

from agent.records.ledger import Ledger
from agent.vocabulary.record import Record

# 15 January 2027, 16:00 in China.
WALL_MS = 1_800_000_000_000

ENDED = {
    "result": "failed",
    "stop_reason": "meter_lost",
    "faults": ["meter_lost", "uplink_lost"],
    "origin": "platform",
    "command_id": "c",
    "register_start_wh": 1_000_000,
    "register_end_wh": 1_012_345,
    "energy_wh": 12_345,
    "slices": [
        {
            "start_wall_ms": WALL_MS,
            "end_wall_ms": WALL_MS + 600_000,
            "rate": "flat",
            "price_electricity_e5": 64000,
            "price_service_e5": 35000,
            "energy_wh": 12_345,
            "electricity_e4": 79_008,
            "service_e4": 43_208,
        }
    ],
    "amount_e4": 122_200,
    "duration_s": 600,
    "started_wall_ms": WALL_MS,
    "ended_wall_ms": WALL_MS + 600_000,
    "soc_start_percent": 20,
    "soc_end_percent": 41,
    "closed_by": "control",
}


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@pytest.fixture
def recorded(pile: Pile) -> Pile:
    alarm = {"fault": "meter_lost", "level": 2, "action": "stop"}
    bodies: list[tuple[str, str | None, dict[str, object]]] = [
        (
            "session_ended",
            "S-0",
            {**ENDED, "result": "refused", "stop_reason": "not plugged", "slices": [], "energy_wh": 0},
        ),
        ("session_started", "S-1", {"origin": "platform", "started_wall_ms": WALL_MS}),
        ("state", "S-1", {"state": "charging", "previous": "precharge", "reasons": []}),
        ("session_vehicle", "S-1", {"vin": "LTEST00000000001"}),
        ("session_progress", "S-1", {"voltage_dv": 4013, "current_da": 995, "power_w": 39929, "energy_wh": 5000}),
        ("alarm_raised", "S-1", {**alarm, "snapshot": {}}),
        ("session_ended", "S-1", ENDED),
        ("alarm_cleared", None, alarm),
    ]
    ledger = Ledger(pile.state, WALL_MS)
    ledger.append(
        [
            Record("boot", number, kind, float(number), WALL_MS + number * 1000, "synced", 1, session, body)
            for number, (kind, session, body) in enumerate(bodies, 1)
        ]
    )
    ledger.close()
    return pile


def test_without_a_record_the_commands_say_so(pile: Pile) -> None:
    for arguments in (("sessions",), ("session", "S-1"), ("faults",)):
        result = pile(*arguments)
        assert result.exit_code == 1
        assert "the service has not run here yet" in result.stderr


def test_sessions_newest_first(recorded: Pile) -> None:
    result = recorded("sessions")
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["session", "begun", "duration", "kWh", "CNY", "result", "because"]
    cells = {line.split()[0]: line for line in (first, second)}
    assert "2027-01-15 16:00:00" in cells["S-1"]
    assert "0:10:00  12.345  12.22  failed" in " ".join(cells["S-1"].split(" ")).replace("   ", "  ")
    assert cells["S-1"].endswith("Meter lost")
    assert cells["S-0"].endswith("no vehicle is plugged in")
    assert {entry["session"] for entry in recorded.json("sessions")} == {"S-0", "S-1"}
    assert len(recorded.json("sessions", "--limit", "1")) == 1


def test_one_session_with_bill_time_line_and_verdict(recorded: Pile) -> None:
    result = recorded("session", "S-1")
    assert result.exit_code == 0
    for part in (
        "Meter lost",
        "The meter has not answered for 10 s",
        "Platform not connected",
        "1000.000 → 1012.345 kWh",
        "12.22 CNY",
        "20 % → 41 %",
        "LTEST00000000001",
        "16:00:00-16:10:00  flat",
        "0.64000",
        "7.9008",
        "4.3208",
        "session started, durable",
        "401.3 V, 99.5 A, 39.9 kW, 5.000 kWh",
        "fault: Meter lost [meter_lost]",
        "chain: whole (8 records)",
        "signature: none yet",
    ):
        assert part in result.stdout, part


def test_one_session_in_chinese(recorded: Pile) -> None:
    text = recorded("session", "last", lang="zh").stdout
    for part in ("电表失联", "查电表供电", "平", "记录链:完整", "签名:尚未签名"):
        assert part in text, part


def test_one_session_as_json_has_bill_and_records(recorded: Pile) -> None:
    document = recorded.json("session", "S-1")
    assert document["result"] == "failed"
    assert document["slices"][0]["electricity_e4"] == 79_008
    assert document["chain_ok"] is True
    assert document["records"][0]["kind"] == "session_started"


def test_an_unknown_session_gets_the_nearest_number(recorded: Pile) -> None:
    result = recorded("session", "S1")
    assert result.exit_code == 1
    assert "there is no session S1 in the record; did you mean S-" in result.stderr


def test_a_changed_record_shows(recorded: Pile) -> None:
    # Somebody with the right tools edits an amount, past the triggers.
    with sqlite3.connect(recorded.state / "ledger.sqlite") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE record SET body = replace(body, '122200', '100000') WHERE kind = 'session_ended'")
    connection.close()
    result = recorded("session", "S-1")
    assert "chain: BROKEN" in result.stdout
    assert "record 7 was changed" in result.stdout
    assert recorded.json("session", "S-1")["chain_ok"] is False


def test_recorded_faults_also_without_the_service(recorded: Pile) -> None:
    result = recorded("faults")
    assert result.exit_code == 0
    assert "the field process is not running" in result.stdout
    lines = [line for line in result.stdout.splitlines() if "meter_lost" in line]
    assert "cleared" in lines[0]
    assert "raised" in lines[1]
    assert lines[1].endswith("S-1")


def test_a_damaged_record_is_named(pile: Pile) -> None:
    pile.state.mkdir()
    Path(pile.state / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    result = pile("sessions")
    assert result.exit_code == 1
    assert "ledger.sqlite" in result.stderr
    assert "Traceback" not in result.output
