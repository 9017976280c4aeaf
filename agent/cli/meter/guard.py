"""Keeps an installer's command off a line that the running service owns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.cli.client import FieldClient, NotRunningError
from agent.settings.load import load_site
from agent.settings.problems import SettingsError
from agent.settings.site import Site
from drivers.text import Text

_RUNTIME = Path("/run/pile-agent")
"""Socket of the service when there is no site file that sets it."""

STOP_IT = Text(
    "先停止服务:systemctl stop pile-agent-control;完成后再启动:systemctl start pile-agent-control",
    "stop the service first: systemctl stop pile-agent-control; "
    "start it again afterwards: systemctl start pile-agent-control",
)


def site_or_none(config: str) -> Site | None:
    """The site, if its file can be used: on a new pile there is none yet."""
    try:
        return load_site(Path(config))
    except SettingsError:
        return None


def who_uses(port: str, site: Site | None) -> tuple[Text, Text] | None:
    """Why the line must be left alone and what to do, or None if the service does not own it."""
    runtime = _RUNTIME if site is None else Path(site.settings.paths.runtime)
    try:
        with FieldClient(runtime) as client:
            status = client.status()
    except NotRunningError as error:
        if not error.denied:
            return None
        # A process listens there; only the site file shows which lines it owns.
        ports = [] if site is None else [bus.port for bus in site.settings.bus.modbus]
        if site is not None and not any(same_port(port, each) for each in ports):
            return None
        return Text(f"控制进程正在运行,无法确认 {port} 是否空闲", f"the service is running and may use {port}"), STOP_IT
    return _owner(port, status)


def _owner(port: str, status: Mapping[str, Any]) -> tuple[Text, Text] | None:
    for name, bus in status.get("buses", {}).items():
        if same_port(port, str(bus.get("port", ""))):
            return Text(
                f"{port} 正由控制进程使用(总线 {name})", f"{port} is in use by the running service (bus {name})"
            ), STOP_IT
    return None


def same_port(one: str, other: str) -> bool:
    """Whether two names mean the same port: a link in /dev/serial/by-id and the device behind it are one."""
    if not one or not other:
        return False
    if "://" in one or "://" in other:
        return one.rstrip("/") == other.rstrip("/")
    return Path(one).resolve() == Path(other).resolve()
