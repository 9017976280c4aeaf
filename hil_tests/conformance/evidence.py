"""What a case has left behind, and the points in time that its checks refer to. Pure."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hil_tests.conformance.wire import Answer, Frame, Row, Seen, Stall


class Text(NamedTuple):
    """The same in Chinese and English."""

    zh: str
    en: str


class Verdict(enum.Enum):
    """What a check or a case has come to."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was expected, what was measured, and the verdict."""

    expected: Text
    measured: Text
    verdict: Verdict
    note: Text | None = None


@dataclass(slots=True)
class Evidence:
    """Everything measured in one run of a case. All times in s from the beginning of the recording."""

    seen: Sequence[Seen] = ()
    frames: Sequence[Frame] = ()
    answers: Sequence[Answer] = ()
    rows: Sequence[Row] = ()
    stalls: Sequence[Stall] = ()
    marks: dict[str, float] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)
    end_s: float = 0.0
    stall_ms: float = 0.0
    resolution_ms: float = 0.0

    def of(self, sign: str, since_s: float = float("-inf"), until_s: float = float("inf")) -> list[Seen]:
        """Messages of that name or sign between two times, in sequence."""
        return [each for each in self.seen if sign in (each.sign, each.name) and since_s <= each.at_s <= until_s]

    def doubt_s(self, at_s: float) -> float:
        """By how much a time taken at ``at_s`` may be too late because the bench itself was late then."""
        return max(
            (
                stall.late_s
                for stall in self.stalls
                if stall.at_s - stall.late_s - _TURN_S <= at_s <= stall.at_s + _TURN_S
            ),
            default=0.0,
        )


_TURN_S = 0.006
"""A turn of the bench, and the time in which frames that have waited are handed on."""


class Anchor(Protocol):
    """A point in time that is looked up in the evidence."""

    @property
    def text(self) -> Text:
        """What this point is called."""

    @property
    def by_tester(self) -> bool:
        """Whether the tester and not the charger causes it: if missing, it proves nothing about the charger."""

    def find(self, evidence: Evidence) -> float | None:
        """The time, or None if it never came."""


@dataclass(frozen=True, slots=True)
class First:
    """The first message of a sign, perhaps after another point."""

    sign: str
    after: Anchor | None = None

    @property
    def text(self) -> Text:
        """Its name."""
        return Text(f"首帧 {self.sign}", f"first {self.sign}")

    @property
    def by_tester(self) -> bool:
        """Messages of the vehicle are the tester's."""
        return self.sign.startswith("B")

    def find(self, evidence: Evidence) -> float | None:
        """The time of the message."""
        since_s = self.after.find(evidence) if self.after is not None else float("-inf")
        if since_s is None:
            return None
        return next((each.at_s for each in evidence.of(self.sign) if each.at_s > since_s), None)


@dataclass(frozen=True, slots=True)
class Last:
    """The last message of a sign before another point, or the last of all."""

    sign: str
    before: Anchor | None = None

    @property
    def text(self) -> Text:
        """Its name."""
        return Text(f"末帧 {self.sign}", f"last {self.sign}")

    @property
    def by_tester(self) -> bool:
        """Messages of the vehicle are the tester's."""
        return self.sign.startswith("B")

    def find(self, evidence: Evidence) -> float | None:
        """The time of the message."""
        until_s = self.before.find(evidence) if self.before is not None else float("inf")
        if until_s is None:
            return None
        return max((each.at_s for each in evidence.of(self.sign) if each.at_s < until_s), default=None)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which the tester did something, or (``of_charger``) at which it had seen enough of the charger."""

    name: str
    name_zh: str
    of_charger: bool = False

    @property
    def text(self) -> Text:
        """Its name."""
        return Text(self.name_zh, self.name)

    @property
    def by_tester(self) -> bool:
        """Unless it waited for the charger."""
        return not self.of_charger

    def find(self, evidence: Evidence) -> float | None:
        """When it was done."""
        return evidence.marks.get(self.name)


SWITCHES: dict[str, Text] = {
    "k1": Text("K1", "K1"),
    "k2": Text("K2", "K2"),
    "contactors": Text("K1K2", "K1 and K2"),
    "lock": Text("电子锁", "electronic lock"),
    "auxiliary": Text("低压辅助电源 K3K4", "auxiliary supply K3/K4"),
    "plugged": Text("插枪", "plug"),
    "insulation_monitor": Text("绝缘监测投入", "insulation monitor"),
    "discharge": Text("泄放", "discharge"),
    "vehicle_contactors": Text("K5K6", "K5 and K6"),
}
LEVELS: dict[str, Text] = {
    "current_a": Text("输出电流", "output current"),
    "outside_v": Text("K1K2 外侧电压", "voltage outside K1/K2"),
    "inside_v": Text("K1K2 内侧电压", "voltage inside K1/K2"),
}


@dataclass(frozen=True, slots=True)
class Switch:
    """The moment at which something at the pile has gone to a position, perhaps after another point."""

    key: str
    on: bool
    after: Anchor | None = None

    @property
    def text(self) -> Text:
        """Its name."""
        zh, en = SWITCHES[self.key]
        return Text(f"{zh}{'闭合' if self.on else '断开'}", f"{en} {'on' if self.on else 'off'}")

    @property
    def by_tester(self) -> bool:
        """The charger switches."""
        return False

    def find(self, evidence: Evidence) -> float | None:
        """When it changed to that position; a position held all the time is no change."""
        since_s = self.after.find(evidence) if self.after is not None else float("-inf")
        if since_s is None:
            return None
        was: bool | None = None
        for row in evidence.rows:
            now = bool(row.values[self.key])
            if was is not None and now is not was and now is self.on and row.at_s > since_s:
                return row.at_s
            was = now
        return None
