"""The commands against a field process that only speaks."""

from pathlib import Path
from typing import Any

import pytest
from cli_pile import Pile
from fake_field import STATUS, fake_field, nested

from agent.link.messages import Attach, Command, CommandReply, Message
from agent.settings.files import data_folder, load_fault_catalogue
from agent.vocabulary.reasons import parsed
from drivers.can.kernel_link import KernelLink, KernelLinkError


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def test_check_says_ok_and_what_would_run(pile: Pile) -> None:
    result = pile("check")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"OK {pile.site_file}\n")
    for part in ("SX-0001", "60 kW", "acrel-djsf1352-rn @1", "infypower x2", "mqtt.example.org:8883, TLS"):
        assert part in result.stdout
    assert f"{len(load_fault_catalogue(data_folder() / 'faults.toml'))} faults" in result.stdout
    assert pile.json("check") == {"file": str(pile.site_file), "ok": True, "problems": [], "notes": []}


def test_check_compares_the_kernels_can_interfaces(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    """can0 at the wrong bit rate; can1 that stays off after bus-off; then an interface of which nothing is known."""
    links = {
        "can0": KernelLink("can0", True, 500_000, restart_ms=100),
        "can1": KernelLink("can1", True, 125_000, restart_ms=0),
    }
    monkeypatch.setattr("agent.cli.kernel_links.kernel_link", lambda channel: links[channel])
    result = pile("check")
    assert result.exit_code == 2
    assert result.stdout.startswith(
        "bus.can[0]: the interface can0 runs at 500000 bit/s, the site file gives 250000 bit/s; "
        "do: ip link set can0 down; ip link set can0 up type can bitrate 250000 restart-ms 100"
    )
    assert pile.json("check")["problems"][0]["place"] == "bus.can[0]"
    assert "接口 can0 的波特率为 500000 bit/s,配置文件为 250000 bit/s" in pile("check", lang="zh").stdout
    links["can0"] = KernelLink("can0", True)
    result = pile("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("bus.can[1]: the interface can1 stays off after bus-off; do: ")
    assert [note["place"] for note in pile.json("check")["notes"]] == ["bus.can[1]"]

    def refused(channel: str) -> KernelLink:
        raise KernelLinkError("no netlink")

    monkeypatch.setattr("agent.cli.kernel_links.kernel_link", refused)
    assert pile.json("check")["notes"] == []


def test_check_asks_the_kernel_only_about_its_own_interfaces(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    pile.change('interface = "socketcan"\nchannel = "can0"', 'interface = "slcan"\nchannel = "/dev/ttyACM0"')
    asked: list[str] = []

    def answer(channel: str) -> KernelLink:
        asked.append(channel)
        return KernelLink(channel, True)

    monkeypatch.setattr("agent.cli.kernel_links.kernel_link", answer)
    assert pile("check").exit_code == 0
    assert asked == ["can1"]


def test_check_names_every_mistake(pile: Pile) -> None:
    pile.change('profile = "dc-60kw"', 'profil = "dc-60kw"')
    pile.change("cycle_ms = 10", "cycle_ms = 1")
    result = pile("check")
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert lines == [
        "pile.profil: there is no such key; did you mean profile?",
        "control.cycle_ms: must be from 5 to 100, is 1",
        f"{pile.site_file}: 2 errors; nothing was started",
    ]
    assert [problem["place"] for problem in pile.json("check")["problems"]] == ["pile.profil", "control.cycle_ms"]
    assert "2 处错误,未启动任何进程" in pile("check", lang="zh").stdout


def test_check_takes_a_file_of_its_own(pile: Pile, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("schema = 2\n", encoding="utf-8")
    result = pile("check", str(other))
    assert result.exit_code == 2
    assert "pile: is missing" in result.stdout


@pytest.mark.parametrize(
    "command", ["run", "field", "north", "control", "agent", "status", "sessions", "start", "stop", "faults"]
)
def test_nothing_starts_with_a_wrong_site_file(pile: Pile, command: str) -> None:
    pile.change("cycle_ms = 10", "cycle_ms = 1")
    pile.change("baud = 9600", "baud = 9601")
    result = pile(command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 3
    assert not pile.state.exists()
    assert not pile.runtime.exists()


@pytest.mark.parametrize(
    "arguments", [["stauts"], ["start", "--soc", "101"], ["start", "--minutes", "x"], ["check", "a", "b"]]
)
def test_wrong_usage_is_exit_code_2(pile: Pile, arguments: list[str]) -> None:
    assert pile(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["status", "start", "stop", "reset"])
def test_a_service_that_does_not_run_is_exit_code_3(pile: Pile, command: str) -> None:
    result = pile(command)
    assert result.exit_code == 3
    assert "the field process is not running" in result.stderr
    assert "systemctl status" in result.stderr
    assert pile.json(command)["error"] == "not_running"


def test_a_socket_that_nobody_serves_counts_as_not_running(pile: Pile) -> None:
    with fake_field(pile.runtime):
        pass
    assert (pile.runtime / "field.sock").exists()
    assert pile("status").exit_code == 3


def test_status_in_words(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        result = pile("status")
    assert result.exit_code == 0
    assert isinstance(field.seen[0], Attach)
    assert field.seen[0].role == "operator"
    for part in (
        "charging (0:01:02)",
        "S-1",
        "12.345 kWh, 12.34 CNY (peak), 0:10:00",
        "402.0 V, 100.0 A, SoC 56 %",
        "401.3 V, 99.5 A, 1234.567 kWh",
        "contactor K1, contactor K2",
        "ok, 2 waiting to be written",
        "connected, 3 waiting to be sent",
        "relay board  ok 12, crc 3",
        "opened 1, frames_in 5\n",
    ):
        assert part in result.stdout, part
    assert "fan" not in result.stdout


def test_status_in_chinese_and_as_json(pile: Pile) -> None:
    with fake_field(pile.runtime):
        assert "充电中" in pile("status", lang="zh").stdout
        assert pile.json("status") == nested(STATUS)


def test_status_says_why_no_start_is_possible(pile: Pile) -> None:
    idle: dict[str, Any] = {
        **STATUS,
        "state": "faulted",
        "session": None,
        "start_blockers": ["door_open", "no value: recorder_ready", "not plugged"],
        "faults": [{"id": "door_open", "level": 1, "action": "open", "since_s": 5.0, "latched": False}],
        "recorder": {"attached": False, "ok": False, "reason": ""},
        "values": {},
    }
    with fake_field(pile.runtime) as field:
        field.status = [idle]
        result = pile("status")
    assert "refused: Cabinet door open; no value of recorder_ready; no vehicle is plugged in" in result.stdout
    assert "the recording process is not attached" in result.stdout
    assert "Close and lock the door" in result.stdout


def answered(*replies: tuple[str, str]) -> Any:
    def answer(command: Command) -> list[Message]:
        return [CommandReply(command.id, result, parsed(reason), "S-9") for result, reason in replies]

    return answer


def test_start_hands_over_limits_as_whole_numbers(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""))
        result = pile("start", "--energy-kwh", "12.3456", "--minutes", "30", "--amount", "20.5", "--soc", "80")
    assert result.exit_code == 0
    assert result.stdout == "start: accepted, session S-9\n"
    (command,) = field.commands
    assert (command.name, command.origin, command.expires_wall_ms) == ("start", "local", 0)
    assert command.arguments == {"energy_wh": 12346, "duration_s": 1800, "amount_e4": 205000, "soc_percent": 80}


def test_start_without_limits_has_no_arguments(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""))
        document = pile.json("start")
    assert field.commands[0].arguments == {}
    assert (document["result"], document["session"]) == ("accepted", "S-9")


def test_a_refused_start_says_why_and_what_to_do(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("rejected", "emergency_stop, not plugged"))
        result = pile("start")
    assert result.exit_code == 1
    assert "rejected, Emergency stop pressed; no vehicle is plugged in" in result.stdout
    assert "Find out first why it was pressed" in result.stdout


def test_start_and_wait_follows_the_states_to_the_end(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.app.time.sleep", lambda _: None)
    states = ["locked", "handshake", "handshake", "charging", "stopping"]
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""))
        field.status = [{**STATUS, "session": "S-9", "state": state} for state in states]
        field.status.append({**STATUS, "session": None, "state": "settled"})
        result = pile("start", "--wait")
    lines = result.stdout.splitlines()
    assert lines[1:5] == ["locked", "handshake", "charging", "stopping"]
    # There is no record here, so nobody may say that it ended well.
    assert lines[5] == "the session is over, its record is not yet written"
    assert result.exit_code == 1


def test_stop_waits_for_the_end(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""), ("done", "local"))
        result = pile("stop")
    assert result.exit_code == 0
    assert result.stdout == "stop: done, stopped at the pile, session S-9\n"


def test_stop_without_a_session_fails(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("rejected", "no_session"))
        result = pile("stop")
        assert pile.json("stop")["reason"] == "no_session"
    assert result.exit_code == 1
    assert "no session is running" in result.stdout


def test_a_field_process_that_dies_while_asked_is_exit_code_3(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.app._SESSION_END_S", 0.0)
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""))
        assert pile("stop").exit_code == 3


def test_reset_is_a_local_command(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answered(("accepted", ""))
        assert pile("reset").exit_code == 0
    assert (field.commands[0].name, field.commands[0].origin) == ("reset", "local")


def test_faults_in_force_come_with_what_to_look_at(pile: Pile) -> None:
    fault = {"id": "emergency_stop", "level": 1, "action": "open", "since_s": 65.0, "latched": True}
    with fake_field(pile.runtime) as field:
        field.status = [{**STATUS, "faults": [fault]}]
        result = pile("faults")
        document = pile.json("faults")
    assert "Emergency stop pressed [emergency_stop]" in result.stdout
    assert "0:01:05, latched" in result.stdout
    assert "pile-agent reset" in result.stdout
    assert document["active"] == [{**fault, "connector": 1}]
    assert document["running"] is True


def test_help_lists_every_command(pile: Pile) -> None:
    listed = pile("--help").stdout.partition("Commands:")[2]
    for name in ("run", "field", "north", "check", "status", "sessions", "session", "faults", "start", "stop"):
        assert f"\n  {name} " in listed
    assert "..." not in listed, "a summary that does not fit its line"
