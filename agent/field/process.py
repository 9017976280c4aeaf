"""The field process: ``pile-agent field``."""

import gc
import logging
import os
import selectors
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import sdnotify

from agent.field import realtime
from agent.field.clock import WallClock
from agent.settings.site import ConnectorOfSite, Site
from drivers.errors import PortError

if TYPE_CHECKING:
    from agent.control.chassis.backlog import Backlog
    from agent.control.dc.core import ControlCore
    from agent.control.dc.parameters import ControlParameters
    from agent.field.base_loop import BaseLoop
    from agent.field.loop import FieldLoop

_LOG = logging.getLogger(__name__)

_NOTIFY_INTERVAL_S = 0.5
_OPEN_INTERVAL_S = 1.0
_COLLECT_INTERVAL_S = 600.0
_LAST_RECORDS_S = 5.0
"""How long the end waits for the recorder to confirm the last records."""
_SHUTDOWN_LIMIT_S = 40.0


class _Notifier:
    """systemd notification that can never wait."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            self._notifier.socket.setblocking(False)

    def send(self, text: str) -> None:
        """Send a notification; without systemd nothing happens."""
        self._notifier.notify(text)


class _Core(Protocol):
    """What running and ending asks of the core of any role."""

    @property
    def backlog(self) -> "Backlog":
        """Records that are not yet durable."""

    @property
    def state(self) -> str:
        """Where the connector stands."""

    @property
    def session(self) -> object | None:
        """The session that is open."""

    @property
    def safe_to_exit(self) -> bool:
        """Nothing is left to be ended."""

    def request_shutdown(self) -> None:
        """End what runs in order and begin nothing."""


def run_field(site: Site, *, version: str) -> int:
    """Run until SIGTERM or SIGINT, which ends a charge in order first. Returns the exit code."""
    settings, connector = site.settings, _only(site)
    boot_id = os.urandom(16).hex()
    runtime = Path(settings.paths.runtime)
    runtime.mkdir(parents=True, exist_ok=True)
    running = runtime / "field.running"
    restarted = running.exists()
    running.write_text(f"{os.getpid()}\n", encoding="ascii")
    stop_requests = _StopRequests()
    # Not epoll: it counts its time-out in whole milliseconds, and a request may be due in a third of one.
    selector = selectors.SelectSelector()
    begin = _begin_monitor if site.kind == "listener" else _begin_charger
    core, loop = begin(site, connector, boot_id, version, restarted, selector)
    loop.open_lines()
    loop.scheduler = realtime.set_priority(settings.control.real_time_priority)
    if settings.control.lock_memory:
        realtime.lock_memory()
    realtime.tame_collector()
    notifier = _Notifier()
    notifier.send("READY=1")
    try:
        _run(loop, core, notifier, stop_requests)
    finally:
        loop.close()
        selector.close()
    with suppress(OSError):
        running.unlink()
    notifier.send("STOPPING=1")
    return 0


def _only(site: Site) -> ConnectorOfSite:
    """The connector that this process drives. Raises PortError where there are several: none is left out silently."""
    if len(site.connectors) > 1 or len(site.connectors[0].groups) > 1:
        hint = "Give each connector a controller and a site file of its own."
        raise PortError("this version runs one connector with one group of modules", str(site.path), hint)
    return site.connectors[0]


def _begin_charger(
    site: Site,
    connector: ConnectorOfSite,
    boot_id: str,
    version: str,
    restarted: bool,
    selector: selectors.BaseSelector,
) -> "tuple[_Core, BaseLoop[Any]]":
    from agent.control.dc.core import ControlCore
    from agent.field.parameters import connector_parameters

    parameters = connector_parameters(site, connector, boot_id=boot_id, version=version)
    core = ControlCore(parameters, time.monotonic(), restarted=restarted)
    # The first evaluation comes before the drivers are even loaded: nothing is energised from here on. What an
    # earlier process had closed opens by itself when its pulses end, and is written open as soon as the line is.
    now_s = time.monotonic()
    relays = core.evaluate(now_s, *WallClock().read(now_s)).relays
    if any(relays.values()):
        raise RuntimeError(f"the first evaluation wants outputs: {relays}")
    _LOG.info("first cycle evaluated, outputs off; boot %s", boot_id)
    return core, _build_loop(site, parameters, core, selector)


def _begin_monitor(
    site: Site,
    connector: ConnectorOfSite,
    boot_id: str,
    version: str,
    restarted: bool,
    selector: selectors.BaseSelector,
) -> "tuple[_Core, BaseLoop[Any]]":
    from agent.control.listener.core import MonitorCore
    from agent.field.monitor_assembly import build_monitor_loop, monitor_parameters

    parameters = monitor_parameters(site, connector, boot_id=boot_id, version=version)
    core = MonitorCore(parameters, time.monotonic(), restarted=restarted)
    _LOG.info("listening only, nothing is driven and nothing sent; boot %s", boot_id)
    return core, build_monitor_loop(site, connector, parameters, core, selector)


def _build_loop(
    site: Site, parameters: "ControlParameters", core: "ControlCore", selector: selectors.BaseSelector
) -> "FieldLoop":
    """Load the drivers and join everything; loading takes longer than everything before."""
    from agent.field.assembly import build_hardware
    from agent.field.loop import FieldLoop
    from agent.field.server import FieldServer
    from agent.link.messages import SOCKET_NAME, Hello

    settings = site.settings
    hello = Hello(parameters.boot_id, settings.pile.id, parameters.version, time.time_ns() // 1_000_000)
    return FieldLoop(
        core,
        parameters,
        build_hardware(site),
        FieldServer(Path(settings.paths.runtime) / SOCKET_NAME, selector, hello),
        selector,
        cycle_s=settings.control.cycle_ms / 1000.0,
        readings_interval_s=settings.record.readings_interval_s,
        readings_idle_interval_s=settings.record.readings_idle_interval_s,
    )


class _StopRequests:
    """SIGTERM and SIGINT ask for an orderly end."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        self.wanted = True


def _run(loop: "BaseLoop[Any]", core: _Core, notifier: _Notifier, stop_requests: _StopRequests) -> None:
    next_notify_s = next_open_s = 0.0
    next_collect_s = time.monotonic() + _COLLECT_INTERVAL_S
    give_up_s = safe_since_s = None
    while True:
        loop.turn()
        now_s = time.monotonic()
        if now_s >= next_open_s:
            next_open_s = now_s + _OPEN_INTERVAL_S
            loop.open_lines()
        if now_s >= next_notify_s:
            # Reached only after a completed evaluation: the watchdog certifies progress.
            next_notify_s = now_s + _NOTIFY_INTERVAL_S
            notifier.send(f"WATCHDOG=1\nSTATUS={core.state}")
        if now_s >= next_collect_s and core.session is None:
            next_collect_s = now_s + _COLLECT_INTERVAL_S
            gc.collect()
        if not stop_requests.wanted:
            continue
        if give_up_s is None:
            give_up_s = now_s + _SHUTDOWN_LIMIT_S
            core.request_shutdown()
            _LOG.info("end requested in state %s", core.state)
        if core.safe_to_exit:
            safe_since_s = safe_since_s or now_s
            everything_kept = core.backlog.acknowledged == core.backlog.last_number
            if everything_kept or now_s - safe_since_s > _LAST_RECORDS_S:
                return
        elif now_s > give_up_s:
            _LOG.error("the session did not end within %.0f s; outputs are opened now", _SHUTDOWN_LIMIT_S)
            return
