"""A line that the service owns is left alone, also when it may not be asked."""

import os
import socket
from pathlib import Path

import pytest
from cli_pile import Pile
from fake_field import STATUS, fake_field

from agent.cli.client import NotRunningError
from agent.cli.meter import guard as meter_guard
from agent.cli.meter.guard import same_port, site_or_none, who_uses
from agent.settings.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = site_or_none(str(Pile(tmp_path).site_file))
    assert found is not None
    return found


def test_nobody_runs(site: Site) -> None:
    assert who_uses(site.settings.bus.modbus[0].port, site) is None


def test_a_service_on_other_lines(site: Site, tmp_path: Path) -> None:
    with fake_field(tmp_path / "run") as field:
        field.status = [{**STATUS, "buses": {"io": {"port": "/dev/ttyUSB9"}, "can": {"port": "can0"}, "odd": {}}}]
        assert who_uses("/dev/ttyUSB8", site) is None
        found = who_uses("/dev/ttyUSB9", site)
    assert found is not None
    assert "bus io" in found[0].en
    assert "总线 io" in found[0].zh
    assert "systemctl stop" in found[1].zh


def test_a_service_that_may_not_be_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(runtime: Path) -> object:
        raise NotRunningError(runtime, "permission denied", denied=True)

    monkeypatch.setattr(meter_guard, "FieldClient", denied)
    own = site.settings.bus.modbus[0].port
    assert who_uses(own, site) is not None
    assert who_uses("/dev/some-other-port", site) is None, "not in the site file of the service"
    assert who_uses("/dev/some-other-port", None) is not None, "nobody knows whose it is"


def test_a_socket_that_nobody_serves(site: Site, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "run" / "field.sock"))
    assert who_uses("/dev/ttyUSB0", site) is None


def test_without_a_site_file(tmp_path: Path) -> None:
    assert site_or_none(str(tmp_path / "none.toml")) is None
    assert who_uses("/dev/ttyUSB0", None) is None


def test_names_of_one_port(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    os.symlink(device, link)
    assert same_port(str(device), str(link))
    assert not same_port(str(device), str(tmp_path / "ttyUSB1"))
    assert same_port("tcp://10.0.0.1:502/", "tcp://10.0.0.1:502")
    assert not same_port("tcp://10.0.0.1:502", "tcp://10.0.0.1:503")
    assert not same_port("tcp://10.0.0.1:502", str(device))
    assert not same_port("", str(device))
