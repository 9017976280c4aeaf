"""Ports of a Modbus bus that are network addresses."""

from pathlib import Path

import pytest

from agent.settings.load import load_settings
from agent.settings.problems import SettingsError

ROOT = Path(__file__).parents[2]
METER_PORT = "/dev/serial/by-path/platform-1-usb-0:1.1:1.0-port0"
BOARD_PORT = "/dev/serial/by-path/platform-1-usb-0:1.2:1.0-port0"


def told(folder: Path, **ports: str) -> list[str]:
    text = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")
    for old, new in ((METER_PORT, ports.get("meter")), (BOARD_PORT, ports.get("board"))):
        assert text.count(old) == 1
        text = text.replace(old, new or old)
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load_settings(path)
    except SettingsError as error:
        return [problem.line("en") for problem in error.problems]
    return []


@pytest.mark.parametrize("port", ["tcp://192.168.1.50", "tcp://[fe80::1]:1502", "rtu+tcp://10.0.0.7:8899"])
def test_a_network_address_is_a_port(tmp_path: Path, port: str) -> None:
    assert told(tmp_path, meter=port) == []


def test_a_name_is_refused_with_an_example(tmp_path: Path) -> None:
    [line] = told(tmp_path, meter="tcp://meter.local")
    assert line.startswith("bus.modbus[0].port: meter.local is not a numeric address")
    assert "for example tcp://192.168.1.50:502" in line


def test_one_device_is_not_two_buses(tmp_path: Path) -> None:
    [line] = told(tmp_path, meter="tcp://10.0.0.7", board="rtu+tcp://10.0.0.7:502/")
    assert line.startswith("bus.modbus[1].port: the port rtu+tcp://10.0.0.7:502/ is used by bus.modbus[0]")
    assert told(tmp_path, meter="tcp://10.0.0.7:502", board="tcp://10.0.0.7:503") == []
