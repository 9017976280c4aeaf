"""What a case is made of: data only. ``tester`` carries it out, ``checks`` judge it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drivers.gbt27930.charger.phases import Edition
from hil_tests.conformance.checks import Check
from hil_tests.conformance.evidence import Mark, Text


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A command for the vehicle, see its ``help``; ``mark`` names the moment."""

    command: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class AtThePile:
    """A physical command for the bench, see its ``help``."""

    command: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the charge at the pile."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class TryStart:
    """Ask for a start and keep the answer under the name of the mark."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until ``count`` messages of ``sign`` have come since this step began.

    ``needed``: without them the case cannot be judged. Otherwise the checks report what is missing.
    """

    sign: str
    timeout_s: float
    count: int = 1
    needed: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class AwaitCurrent:
    """Wait until the charge runs: CCS comes and current flows; then ``hold_s`` more."""

    hold_s: float = 1.0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class AwaitSwitch:
    """Wait until a part of the pile is in a position; the checks report if it never is."""

    key: str
    on: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AwaitNoSession:
    """Wait until the session is over."""

    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float
    mark: Mark | None = None


Step = Vehicle | AtThePile | Stop | TryStart | Await | AwaitCurrent | AwaitSwitch | AwaitNoSession | Wait

START = Mark("start", "启动命令")
"""The moment of the start command of every case."""


SOURCES: Mapping[str, Text] = {
    "D": Text("GB/T 34658-2017", "GB/T 34658-2017"),
    "T": Text("GB/T 27930-2015 超时规则", "GB/T 27930-2015, time-outs"),
    "R": Text("GB/T 27930-2015 超时后重连", "GB/T 27930-2015, after a time-out"),
    "A": Text("GB/T 27930-2023 A 类(二手资料)", "GB/T 27930-2023 class A (secondary sources)"),
    "V": Text("实车记录", "recordings of vehicles"),
}
"""Source of a case by the first letter of its id; numbers as in docs/conformance.md."""


@dataclass(frozen=True, slots=True)
class Case:
    """One conformance case.

    ``id`` is the item of GB/T 34658-2017, with a small letter when an item is tried in several ways; other ids are the
    project's own (see docs/conformance.md). ``before`` are vehicle commands given before the plug goes in, ``pile``
    bench commands. The tester plugs in and starts; ``steps`` come then. ``seconds`` is about how long it takes.
    """

    id: str
    title: Text
    sent: Text
    checks: tuple[Check, ...]
    steps: tuple[Step, ...]
    before: tuple[str, ...] = ()
    pile: tuple[str, ...] = ()
    start: Mapping[str, Any] = field(default_factory=dict)
    edition: Edition = "2015"
    profile: str = "demo-car"
    seconds: float = 20.0
    uncertain: Text | None = None
    missing: str | None = None
    """Message that the charger must report as missing, for the same case in virtual time."""
    short: bool = False
    alone: Literal["", "new pile"] = ""

    @property
    def source(self) -> Text:
        """Where the expectation comes from."""
        return SOURCES[self.id[0]]

    @property
    def item(self) -> str:
        """The id without its letter."""
        found = re.match(r"(D[PN]\.\d{4})", self.id)
        return found.group(1) if found else self.id
