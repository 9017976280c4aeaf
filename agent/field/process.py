"""The field process: ``pile-agent field``."""

import gc
import logging
import os
import selectors
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sdnotify

from agent.field import realtime
from agent.field.clock import WallClock
from agent.settings.site import Site

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore
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


def run_field(site: Site, *, version: str) -> int:
    """Run until SIGTERM or SIGINT, which ends every charge first. Returns the exit code."""
    settings = site.settings
    boot_id = os.urandom(16).hex()
    runtime = Path(settings.paths.runtime)
    runtime.mkdir(parents=True, exist_ok=True)
    running = runtime / "field.running"
    restarted = running.exists()
    running.write_text(f"{os.getpid()}\n", encoding="ascii")
    stop_requests = _StopRequests()
    # Not epoll: it counts its time-out in whole milliseconds, and a request may be due in a third of one.
    selector = selectors.SelectSelector()
    begin = _begin_listeners if site.kind == "listener" else _begin_chargers
    loop = begin(site, boot_id, version, restarted, selector)
    loop.open_lines()
    loop.scheduler = realtime.set_priority(settings.control.real_time_priority)
    if settings.control.lock_memory:
        realtime.lock_memory()
    realtime.tame_collector()
    notifier = _Notifier()
    notifier.send("READY=1")
    try:
        _run(loop, notifier, stop_requests)
    finally:
        loop.close()
        selector.close()
    with suppress(OSError):
        running.unlink()
    notifier.send("STOPPING=1")
    return 0


def _begin_chargers(
    site: Site, boot_id: str, version: str, restarted: bool, selector: selectors.BaseSelector
) -> "BaseLoop[Any]":
    from agent.control.chassis.backlog import Backlog
    from agent.control.dc.core import ControlCore
    from agent.field.parameters import connector_parameters

    cores: dict[int, ControlCore] = {}
    backlog: Backlog | None = None
    for connector in site.connectors:
        parameters = connector_parameters(site, connector, boot_id=boot_id, version=version)
        core = ControlCore(parameters, time.monotonic(), restarted=restarted, backlog=backlog)
        cores[connector.number], backlog = core, core.backlog
        # The first evaluation comes before the drivers are even loaded: nothing is energised from here on. What an
        # earlier process had closed opens by itself when its pulses end, and is written open as soon as the line is.
        now_s = time.monotonic()
        relays = core.evaluate(now_s, *WallClock().read(now_s)).relays
        if any(relays.values()):
            raise RuntimeError(f"the first evaluation of connector {connector.number} wants outputs: {relays}")
    _LOG.info("first cycle evaluated, outputs off; boot %s", boot_id)
    return _build_loop(site, cores, selector)


def _begin_listeners(
    site: Site, boot_id: str, version: str, restarted: bool, selector: selectors.BaseSelector
) -> "BaseLoop[Any]":
    from agent.control.chassis.backlog import Backlog
    from agent.control.listener.core import ListenerCore
    from agent.field.listener_assembly import build_listener_loop, listener_parameters

    cores: dict[int, ListenerCore] = {}
    backlog: Backlog | None = None
    for connector in site.connectors:
        parameters = listener_parameters(site, connector, boot_id=boot_id, version=version)
        core = ListenerCore(parameters, time.monotonic(), restarted=restarted, backlog=backlog)
        cores[connector.number], backlog = core, core.backlog
    _LOG.info("listening only, nothing is driven and nothing sent; boot %s", boot_id)
    return build_listener_loop(site, cores, selector)


def _build_loop(site: Site, cores: "dict[int, ControlCore]", selector: selectors.BaseSelector) -> "FieldLoop":
    """Load the drivers and join everything; loading takes longer than everything before."""
    from agent.field.assembly import build_hardware
    from agent.field.loop import FieldLoop
    from agent.field.power_parameters import power_parameters
    from agent.field.serving import pace_of, serve

    first = next(iter(cores.values())).parameters
    return FieldLoop(
        cores,
        build_hardware(site),
        power_parameters(site),
        serve(site, first.boot_id, first.version, selector),
        selector,
        pace=pace_of(site),
    )


class _StopRequests:
    """SIGTERM and SIGINT ask for an orderly end."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        self.wanted = True


class _Watchdog:
    """Reports progress to the service manager."""

    def __init__(self, notifier: _Notifier) -> None:
        self._notifier = notifier
        self._next_s = 0.0

    def turn(self, loop: "BaseLoop[Any]", now_s: float) -> None:
        """Called only after a completed evaluation: the watchdog certifies progress."""
        if now_s >= self._next_s:
            self._next_s = now_s + _NOTIFY_INTERVAL_S
            self._notifier.send(f"WATCHDOG=1\nSTATUS={loop.state}")


class _Opener:
    """Opens again what is closed."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def turn(self, loop: "BaseLoop[Any]", now_s: float) -> None:
        """Try every closed line once a second."""
        if now_s >= self._next_s:
            self._next_s = now_s + _OPEN_INTERVAL_S
            loop.open_lines()


class _Collector:
    """Runs the garbage collector while nothing charges."""

    def __init__(self, now_s: float) -> None:
        self._next_s = now_s + _COLLECT_INTERVAL_S

    def turn(self, loop: "BaseLoop[Any]", now_s: float) -> None:
        """Collect when it is time and no session is open anywhere."""
        if now_s >= self._next_s and not loop.in_session:
            self._next_s = now_s + _COLLECT_INTERVAL_S
            gc.collect()


class _Shutdown:
    """The end that was asked for: every session first, then the last records."""

    def __init__(self) -> None:
        self._give_up_s: float | None = None
        self._safe_since_s: float | None = None

    def is_over(self, loop: "BaseLoop[Any]", now_s: float) -> bool:
        """Go on with the end. Returns whether the process may exit now."""
        if self._give_up_s is None:
            self._give_up_s = now_s + _SHUTDOWN_LIMIT_S
            loop.request_shutdown()
            _LOG.info("end requested in state %s", loop.state)
        pile = loop.pile
        if pile.safe_to_exit:
            self._safe_since_s = self._safe_since_s or now_s
            everything_kept = pile.backlog.acknowledged == pile.backlog.last_number
            return everything_kept or now_s - self._safe_since_s > _LAST_RECORDS_S
        self._safe_since_s = None
        if now_s > self._give_up_s:
            _LOG.error("the sessions did not end within %.0f s; outputs are opened now", _SHUTDOWN_LIMIT_S)
            return True
        return False


def _run(loop: "BaseLoop[Any]", notifier: _Notifier, stop_requests: _StopRequests) -> None:
    parts = (_Opener(), _Watchdog(notifier), _Collector(time.monotonic()))
    shutdown = _Shutdown()
    while True:
        loop.turn()
        now_s = time.monotonic()
        for part in parts:
            part.turn(loop, now_s)
        if stop_requests.wanted and shutdown.is_over(loop, now_s):
            return
