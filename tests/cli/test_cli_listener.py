"""The command line of a pile that only listens: check, make-safe, status, sessions and the time line of one."""

import socket
from pathlib import Path
from typing import Any

import pytest
from cli_pile import ROOT, Pile
from fake_field import STATUS, fake_field

from agent.cli.make_safe import run_make_safe
from agent.cli.make_safe_plan import NothingToOpenError, find_targets
from agent.link.messages import Command, CommandReply, Message
from agent.records.ledger import Ledger
from agent.vocabulary.reasons import Reason
from agent.vocabulary.record import Record

WALL_MS = 1_800_000_000_000


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    listening = Pile(tmp_path)
    text = (ROOT / "config" / "site-monitor-example.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("# The vehicle's CAN line.")
    paths = f'[paths]\nstate = "{listening.state}"\nruntime = "{listening.runtime}"\n\n# The vehicle\'s CAN line.'
    listening.site_file.write_text(head + paths + rest, encoding="utf-8")
    return listening


def test_check_says_that_it_only_listens(pile: Pile) -> None:
    result = pile("check")
    assert result.exit_code == 0
    for part in (
        "listener",
        "nothing is sent",
        "acrel-djsf1352-rn @1",
        "contacts (read only) listener-contacts",
        "what is billed",
    ):
        assert part in result.stdout
    chinese = pile("check", lang="zh").stdout
    for part in ("监听", "只听,不发送", "触点(只读)"):
        assert part in chinese


def test_check_says_where_the_energy_comes_from(pile: Pile) -> None:
    text = pile.site_file.read_text(encoding="utf-8")
    head, _, rest = text.partition("[connector.meter]")
    pile.site_file.write_text(head + rest[rest.index("# Prices") :], encoding="utf-8")
    assert "nothing is billed" in pile("check").stdout


def test_check_shows_an_insulation_monitor(pile: Pile) -> None:
    pile.change("[tariff]", '[connector.insulation_monitor]\nbus = "meter"\naddress = 7\n[tariff]')
    assert "insulation monitor acrel-aim-d100 @7" in pile("check").stdout


def test_make_safe_opens_nothing_and_touches_no_wire(pile: Pile, capsys: pytest.CaptureFixture[str]) -> None:
    # A relay board may hang on a line of this box: it is not this agent's to switch.
    with pytest.raises(NothingToOpenError):
        find_targets(pile.site_file)
    for language, says in (("en", "no output to open"), ("zh", "没有输出可断开")):
        assert run_make_safe(pile.site_file, language) == 0  # type: ignore[arg-type]
        assert says in capsys.readouterr().err


MONITOR_STATUS: dict[str, Any] = {
    **{name: value for name, value in STATUS.items() if name not in ("outputs", "limit")},
    "role": "monitor",
    "may_start": False,
    "start_blockers": ["monitor_only"],
    "energy_source": "meter",
    "violations": 3,
    "values": {
        "meter_voltage_v": 401.0,
        "meter_current_a": 99.5,
        "meter_energy_wh": 1_234_567,
        "ccs_voltage_v": 401.2,
        "ccs_current_a": 99.4,
        "bcs_voltage_v": 400.9,
        "bcs_current_a": 99.1,
    },
}


def test_status_shows_what_is_heard(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.status = [MONITOR_STATUS]
        english, chinese = pile("status").stdout, pile("status", lang="zh").stdout
    shown = ("listener", "charger reports (CCS)", "401.2 V, 99.4 A", "vehicle reports (BCS)", "protocol violations")
    for part in shown:
        assert part in english
    for part in ("角色", "充电机自报(CCS)", "车辆自报(BCS)", "规约违例"):
        assert part in chinese
    assert "start" not in english.split(), "nobody starts a charge here"


def test_status_without_a_meter_says_that_nothing_is_billed(pile: Pile) -> None:
    values = {"ccs_current_a": 99.4}
    status = {**MONITOR_STATUS, "energy_source": "vehicle_bus", "amount_e4": None, "rate": None, "values": values}
    with fake_field(pile.runtime) as field:
        field.status = [status]
        english, chinese = pile("status").stdout, pile("status", lang="zh").stdout
    assert "from the vehicle bus, not billed" in english
    assert "不计费" in chinese
    assert "CNY" not in english
    assert "-, 99.4 A" in english


def test_status_between_charges(pile: Pile) -> None:
    status = {**MONITOR_STATUS, "session": None, "state": "idle", "values": {}}
    with fake_field(pile.runtime) as field:
        field.status = [status]
        shown = pile("status").stdout
    assert "meter " not in shown.partition("buses")[0]


@pytest.mark.parametrize(("lang", "says"), [("en", "listener: the charger cannot be controlled"), ("zh", "本机为监听")])
@pytest.mark.parametrize("name", ["start", "stop"])
def test_a_command_is_refused_in_words(pile: Pile, name: str, lang: str, says: str) -> None:
    def refuse(command: Command) -> list[Message]:
        return [CommandReply(command.id, "rejected", (Reason("monitor_only"),), None)]

    with fake_field(pile.runtime) as field:
        field.answer = refuse
        result = pile(name, lang=lang)
    assert result.exit_code == 1
    assert says in result.stdout


EVENTS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "event",
        {
            "event": "protocol_violation",
            "code": "order",
            "message": "CRO",
            "expected": "ready",
            "seen": "charging",
            "text_zh": "报文出现在不允许的阶段",
            "text_en": "message in a phase where it may not come",
        },
        "protocol violation, CRO: message in a phase where it may not come, seen charging, expected ready",
        "规约违例, CRO: 报文出现在不允许的阶段, 实际 charging, 应为 ready",
    ),
    (
        "event",
        {"event": "protocol_violation", "message": "", "expected": "", "seen": "", "text_zh": "甲", "text_en": "a"},
        "protocol violation, a",
        "规约违例, 甲",
    ),
    (
        "event",
        {"event": "stop_asked", "message": "CST", "causes": "manual_stop"},
        "the charger says stop (CST): manual_stop",
        "充电机停止报文 (CST): manual_stop",
    ),
    (
        "event",
        {"event": "stop_asked", "message": "BST", "causes": ""},
        "the vehicle says stop (BST): -",
        "车辆停止报文",
    ),
    (
        "event",
        {"event": "vehicle_fault", "message": "BSM", "states": "insulation_state"},
        "the vehicle reports a fault state (BSM): insulation_state",
        "车辆报告故障状态 (BSM): insulation_state",
    ),
    (
        "event",
        {"event": "charger_limits", "maximum_voltage_v": 750.0, "maximum_current_a": 150.0},
        "charger limits: ≤ 750.0 V, ≤ 150.0 A",
        "充电机输出能力: ≤ 750.0 V",
    ),
    (
        "event",
        {"event": "energy_disagrees", "register_wh": 900, "csd_wh": 1500},
        "energy disagrees: register 900 Wh, CSD 1500 Wh",
        "电量不一致: 电表 900 Wh, CSD 1500 Wh",
    ),
    ("event", {"event": "vehicle_attempt", "attempt": 2}, "attempt 2 to connect", "第 2 次连接"),
    ("event", {"event": "vehicle_pause", "attempt": 1}, "asks for a pause", "车辆请求暂停"),
    ("event", {"event": "vehicle_resume", "attempt": 1}, "ends the pause", "车辆恢复充电"),
    ("event", {"event": "something_new"}, "something_new", "something_new"),
]

ENDED: dict[str, Any] = {
    "role": "monitor",
    "result": "settled",
    "stop_reason": "charger_manual",
    "faults": [],
    "origin": "observed",
    "from_start": False,
    "energy_source": "vehicle_bus",
    "energy_wh": 1_200,
    "energy_quality": "charger_total",
    "billing_grade": False,
    "duration_s": 60,
    "started_wall_ms": WALL_MS,
    "ended_wall_ms": WALL_MS + 60_000,
    "closed_by": "control",
    "violations": {"order CRO": 4, "period.late CCS": 2},
    "stop_side": "charger",
    "soc_start_percent": 20,
    "soc_end_percent": 22,
}


@pytest.fixture
def recorded(pile: Pile) -> Pile:
    bodies = [
        ("session_started", {"role": "monitor", "origin": "observed", "started_wall_ms": WALL_MS}),
        *[(kind, body) for kind, body, _, _ in EVENTS],
        ("session_ended", ENDED),
    ]
    messages = [
        Record("boot", number, kind, float(number), WALL_MS + number * 1000, "synced", 1, "S-1", body)
        for number, (kind, body) in enumerate(bodies, 1)
    ]
    ledger = Ledger(pile.state, WALL_MS)
    ledger.append(messages)
    ledger.close()
    return pile


@pytest.mark.any_body("an event of a later release")
def test_a_session_that_was_followed(recorded: Pile) -> None:
    english, chinese = recorded("session", "S-1").stdout, recorded("session", "S-1", lang="zh").stdout
    for part in (
        "another maker's charger",
        "stopped by hand at the charger",
        "1.200 kWh (vehicle bus, not billed)",
        "stopped by",
        "listening began in the middle",
        "order CRO x4, period.late CCS x2",
    ):
        assert part in english
    for part in ("他方充电机", "在充电机上人工停止", "取自车辆总线,不计费", "停止方", "监听从中途开始"):
        assert part in chinese
    assert "CNY" not in english
    for _, _, says, says_zh in EVENTS:
        assert says in english
        assert says_zh in chinese


@pytest.mark.any_body("an event of a later release")
def test_the_list_of_sessions(recorded: Pile) -> None:
    (line,) = [line for line in recorded("sessions").stdout.splitlines() if "S-1" in line]
    assert " 1.200    -  settled" in line
    assert recorded.json("sessions")[0]["amount_e4"] is None


def test_no_socket_is_opened_by_make_safe(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr("agent.cli.make_safe._open", fail)
    monkeypatch.setattr(socket, "socket", fail)
    assert run_make_safe(pile.site_file, "en") == 0
