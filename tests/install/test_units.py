"""The units, seen by systemd itself: a copy of what `make install` lays down, below a root of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ["pile-agent.target", "pile-agent.service", "pile-agent-control.service"]
# Units that every system has and that a bare root lacks.
SYSTEM_TARGETS = ["sysinit", "basic", "shutdown", "local-fs", "multi-user"]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "usr" / "lib" / "systemd" / "system"
    folder.mkdir(parents=True)
    for name in UNITS:
        shutil.copy(ROOT / "systemd" / name, folder / name)
    for name in SYSTEM_TARGETS:
        (folder / f"{name}.target").write_text("[Unit]\nDescription=stands for the system's own\n")
    program = tmp_path / "usr" / "bin" / "pile-agent"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def verify(root: Path) -> tuple[int, str]:
    command = ["systemd-analyze", "verify", "--man=no", f"--root={root}", *UNITS]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return answer.returncode, (answer.stdout + answer.stderr).strip()


def change(root: Path, unit: str, old: str, new: str) -> None:
    path = root / "usr" / "lib" / "systemd" / "system" / unit
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_systemd_finds_nothing_to_say(root: Path) -> None:
    assert verify(root) == (0, "")


def test_the_check_sees_an_unknown_key(root: Path) -> None:
    change(root, "pile-agent.service", "Nice=", "Nicce=")
    assert "Unknown key 'Nicce'" in verify(root)[1]


def test_the_check_sees_a_missing_program(root: Path) -> None:
    (root / "usr" / "bin" / "pile-agent").unlink()
    code, said = verify(root)
    assert code != 0
    assert "/usr/bin/pile-agent is not executable" in said


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (ROOT / "systemd" / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_record_stops_after_the_charge() -> None:
    # systemd stops in the reverse order of starting.
    assert "pile-agent.service" in settings("pile-agent-control.service")["After"][0].split()
    assert settings("pile-agent.service")["Before"] == ["pile-agent-control.service"]


@pytest.mark.parametrize(
    ("unit", "key", "value"),
    [
        ("pile-agent-control.service", "Type", "notify"),
        ("pile-agent-control.service", "NotifyAccess", "main"),
        ("pile-agent-control.service", "WatchdogSec", "2"),
        ("pile-agent-control.service", "User", "pile-agent"),
        ("pile-agent-control.service", "Restart", "always"),
        ("pile-agent-control.service", "LimitMEMLOCK", "infinity"),
        ("pile-agent-control.service", "RestrictRealtime", "no"),
        ("pile-agent-control.service", "TimeoutStopSec", "40"),
        ("pile-agent-control.service", "RestrictAddressFamilies", "AF_UNIX AF_CAN AF_NETLINK"),
        ("pile-agent.service", "Type", "notify"),
        ("pile-agent.service", "WatchdogSec", "30"),
        ("pile-agent.service", "User", "pile-agent"),
        ("pile-agent.service", "Restart", "always"),
        ("pile-agent.service", "StateDirectory", "pile-agent"),
    ],
)
def test_what_the_processes_count_on(unit: str, key: str, value: str) -> None:
    assert settings(unit)[key] == [value]


def test_outputs_are_switched_off_after_every_end() -> None:
    assert settings("pile-agent-control.service")["ExecStopPost"][0].endswith(" make-safe")


def test_the_priority_limit_allows_every_legal_setting() -> None:
    import msgspec

    from agent.settings.schema import Control

    schema = msgspec.json.schema(Control)["$defs"]["Control"]["properties"]["real_time_priority"]
    assert int(settings("pile-agent-control.service")["LimitRTPRIO"][0]) >= schema["maximum"]
