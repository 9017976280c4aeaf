"""The loop of the field process with lines, socket and clock of paper: commands in, answers and set points out."""

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from agent.control.chassis.backlog import Backlog
from agent.control.dc.core import ControlCore
from agent.field import base_loop
from agent.field import loop as field_loop
from agent.field.assembly import build_hardware
from agent.field.base_loop import Pace
from agent.field.loop import FieldLoop
from agent.field.parameters import connector_parameters
from agent.field.power_parameters import power_parameters
from agent.link.messages import OPERATOR, RECORDER, Command, CommandReply, ToField
from agent.settings.load import load_site
from agent.settings.site import Site
from agent.vocabulary import kinds
from agent.vocabulary.states import CLOCK_SYNCED
from hil_tests.bench.site import write_site_file, write_two_guns_file

WALL_MS = 1_900_000_000_000
"""UTC at which the paper clock begins."""
BEGIN_S = 1000.0


class PaperClock:
    """In place of ``time`` and of the wall clock."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S
        self.quality = CLOCK_SYNCED

    def monotonic(self) -> float:
        return self.now_s

    @property
    def wall_ms(self) -> int:
        return WALL_MS + round((self.now_s - BEGIN_S) * 1000)

    def read(self, now_s: float) -> tuple[int, str]:
        return self.wall_ms, self.quality


class PaperSelector:
    """Nothing is ever ready."""

    def register(self, *_: object) -> None:
        """No wire is there."""

    unregister = register

    def select(self, timeout_s: float) -> list[Any]:
        return []


class PaperClient:
    """One client: its role, and what it was sent."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.sent: list[Any] = []

    @property
    def replies(self) -> list[CommandReply]:
        return [message for message in self.sent if isinstance(message, CommandReply)]


class PaperServer:
    """Sends without a socket."""

    def __init__(self) -> None:
        self.recorder: PaperClient | None = None

    def send(self, client: PaperClient, message: Any) -> None:
        client.sent.append(message)

    def close(self) -> None:
        """Nothing to close."""


class FieldWorld:
    """A field loop on paper; ``local`` is a person's command line, ``north`` the recorder."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = PaperClock()
        for module in (base_loop, field_loop):
            monkeypatch.setattr(module, "time", self.clock)
        self.server = PaperServer()
        self.local, self.north = PaperClient(OPERATOR), PaperClient(RECORDER)
        backlog = Backlog(2_000, "0" * 32)
        cores = {}
        for connector in site.connectors:
            parameters = connector_parameters(site, connector, boot_id="0" * 32, version="test")
            cores[connector.number] = ControlCore(parameters, BEGIN_S, backlog=backlog)
        self.loop = FieldLoop(
            cores,
            build_hardware(site),
            power_parameters(site),
            cast("Any", self.server),
            cast("Any", PaperSelector()),
            pace=Pace(0.01, 1.0, 5.0),
        )
        monkeypatch.setattr(self.loop, "_clock", self.clock)

    def take(self, client: PaperClient, message: ToField) -> bool:
        return self.loop.clients.take(cast("Any", client), message, self.clock.now_s)

    def step(self, seconds: float = 0.01) -> None:
        self.clock.now_s += seconds
        self.loop.evaluate(self.clock.now_s)

    def ask(self, client: PaperClient, name: str, command_id: str, **more: Any) -> CommandReply:
        """Send a command and give the answer of the next evaluation."""
        assert self.take(client, Command(command_id, name, **more))
        self.step()
        return client.replies[-1]

    def budget(self) -> tuple[int, str]:
        """Power budget and who sets it, as the status shows them after one more evaluation."""
        self.step()
        power = self.loop.status(self.clock.now_s)["power"]
        return power["budget_w"], power["budget_by"]

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the records of a kind."""
        found = [record for record in self.loop.pile.backlog.pending() if record.kind == kind]
        return [cast("dict[str, Any]", msgspec.to_builtins(record.body)) for record in found]

    def commands(self) -> list[dict[str, Any]]:
        return self.bodies(kinds.COMMAND)


def one_gun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    """The reference pile: one connector, one group, nothing shared before a limit comes."""
    return FieldWorld(load_site(write_site_file(folder, mqtt_port=1883)), monkeypatch)


def two_guns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    """Two connectors, each with modules of its own."""
    return FieldWorld(load_site(write_two_guns_file(folder, mqtt_port=1883)), monkeypatch)
