"""The checks of a case: each evaluates the evidence and returns expectation, measured value and verdict.

Tolerances: periods from 50 ms on +/-10 %, the 10 ms period +/-3 ms; time-outs of 1 s +0.2 s, of 5 s +0.5 s, from 10 s
on +3 s. They are the defaults of a commercial test bench for GB/T 34658 (reference source PT). A time-out may come
early by ``EARLY_S``: the tap stamps a frame at its end and the sender counts from its own queue.

A period is out of tolerance only when it is so by more than the bench was late at its two ends (``Evidence.doubt_s``).
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hil_tests.conformance.evidence import LEVELS, SWITCHES, Anchor, Evidence, Finding, Text, Verdict
from hil_tests.conformance.wire import KINDS

PERIOD_SHARE = 0.10
SHORT_PERIOD_MS = 10.0
SHORT_PERIOD_TOLERANCE_MS = 3.0
OUTLIER_SHARE = 0.05
"""Share of single periods that may be out of tolerance. A period twice as long as nominal never may."""

EARLY_S = 0.02


def late_s(limit_s: float) -> float:
    """By how much a time-out of ``limit_s`` may come late."""
    if limit_s < 5.0:
        return 0.2
    return 0.5 if limit_s < 10.0 else 3.0


class Check(Protocol):
    """One expectation."""

    def judge(self, evidence: Evidence) -> Finding:
        """Compare it with the evidence."""


def _missing(expected: Text, anchor: Anchor) -> Finding:
    verdict = Verdict.INCONCLUSIVE if anchor.by_tester else Verdict.FAIL
    zh, en = anchor.text
    return Finding(expected, Text(f"未出现:{zh}", f"never came: {en}"), verdict)


def _verdict(good: bool) -> Verdict:
    return Verdict.PASS if good else Verdict.FAIL


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the charger comes with its period, length and identifier, from one point to another.

    With ``since`` and ``until`` it must come all the time between them; ``at_least`` messages are needed to judge.
    """

    sign: str
    since: Anchor | None = None
    until: Anchor | None = None
    at_least: int = 3
    optional: bool = False

    @property
    def _kind(self) -> str:
        return self.sign.split("-")[0]

    def judge(self, evidence: Evidence) -> Finding:
        """Compare with the messages found."""
        kind = KINDS[self._kind]
        short = kind.period_ms <= SHORT_PERIOD_MS
        slack_ms = SHORT_PERIOD_TOLERANCE_MS if short else kind.period_ms * PERIOD_SHARE
        tolerance = f"±{slack_ms:g} ms" if short else f"±{PERIOD_SHARE:.0%}"
        length = "" if kind.length is None else f"{kind.length}"
        span_zh = span_en = ""
        if self.since is not None:
            span_zh, span_en = f"自{self.since.text.zh}", f" from {self.since.text.en}"
        if self.until is not None:
            span_zh, span_en = f"{span_zh}至{self.until.text.zh}", f"{span_en} until {self.until.text.en}"
        word = f"{kind.period_ms:g} ms {tolerance}"
        expected = Text(
            f"{span_zh}{',' if span_zh else ''}{self.sign} 周期 {word},{length} 字节,标识 {kind.identifier:08X}",
            f"{self.sign} every {word}, {length} bytes, identifier {kind.identifier:08X}{span_en}",
        )
        bounds = []
        for anchor in (self.since, self.until):
            at_s = None if anchor is None else anchor.find(evidence)
            if anchor is not None and at_s is None:
                return _missing(expected, anchor)
            bounds.append(at_s)
        since_s = bounds[0] if bounds[0] is not None else float("-inf")
        until_s = bounds[1] if bounds[1] is not None else float("inf")
        # The first and last message may be the anchor itself.
        found = evidence.of(self.sign, since_s - 0.001, until_s + 0.001)
        if not found:
            verdict = Verdict.PASS if self.optional else Verdict.FAIL
            return Finding(expected, Text(f"无 {self.sign}", f"no {self.sign}"), verdict)
        problems: list[Text] = []
        lengths = sorted({len(each.payload) for each in found})
        if kind.length is not None and lengths != [kind.length]:
            problems.append(Text(f"字节数 {lengths}", f"lengths {lengths}"))
        strange = sorted({f"{each.identifier:08X}" for each in found} - {f"{kind.identifier:08X}"})
        if strange:
            problems.append(Text(f"标识 {', '.join(strange)}", f"identifiers {', '.join(strange)}"))
        gaps_ms = [(b.at_s - a.at_s) * 1000 for a, b in itertools.pairwise(found)]
        doubts_ms = [
            max(evidence.doubt_s(a.at_s), evidence.doubt_s(b.at_s)) * 1000 for a, b in itertools.pairwise(found)
        ]
        problems += self._gap_problems(gaps_ms, doubts_ms, kind.period_ms, slack_ms)
        if bounds[0] is not None and found[0].at_s - since_s > 2 * kind.period_ms / 1000 + 0.05:
            late = found[0].at_s - since_s
            problems.append(Text(f"{late:.3f} s 后才开始", f"began only after {late:.3f} s"))
        if bounds[1] is not None and until_s - found[-1].at_s > 2 * kind.period_ms / 1000 + 0.05:
            early = until_s - found[-1].at_s
            problems.append(Text(f"提前 {early:.3f} s 停发", f"ended {early:.3f} s early"))
        counted = f"{found[0].at_s:.3f}–{found[-1].at_s:.3f} s"
        spread = f"{statistics.median(gaps_ms):.1f} ms [{min(gaps_ms):.1f}, {max(gaps_ms):.1f}]" if gaps_ms else "-"
        measured = Text(
            f"{counted},{len(found)} 帧,周期中位数 {spread},{'/'.join(map(str, lengths))} 字节",
            f"{counted}, {len(found)} frames, median period {spread}, {'/'.join(map(str, lengths))} bytes",
        )
        if problems:
            zh, en = "；".join(each.zh for each in problems), "; ".join(each.en for each in problems)
            return Finding(expected, Text(f"{measured.zh}；{zh}", f"{measured.en}; {en}"), Verdict.FAIL)
        return Finding(expected, measured, Verdict.PASS)

    def _gap_problems(
        self, gaps_ms: Sequence[float], doubts_ms: Sequence[float], period_ms: float, slack_ms: float
    ) -> list[Text]:
        if len(gaps_ms) + 1 < self.at_least:
            return [Text(f"少于 {self.at_least} 帧", f"fewer than {self.at_least} frames")]
        if not gaps_ms:
            return []
        problems = []
        pairs = list(zip(gaps_ms, doubts_ms, strict=True))
        outside = [gap for gap, doubt in pairs if abs(gap - period_ms) > slack_ms + doubt]
        if abs(statistics.median(gaps_ms) - period_ms) > slack_ms:
            problems.append(Text("周期中位数超差", "the median period is out of tolerance"))
        elif len(outside) > max(1.0, OUTLIER_SHARE * len(gaps_ms)):
            problems.append(
                Text(f"{len(outside)} 个周期超差", f"{len(outside)} of {len(gaps_ms)} periods out of tolerance")
            )
        # At 10 ms the scheduler of a computer that does everything at once is longer than a period.
        longest_ms = 2 * period_ms if period_ms > SHORT_PERIOD_MS else 10 * period_ms
        sure_ms = max(gap - doubt for gap, doubt in pairs)
        if sure_ms >= longest_ms:
            problems.append(Text(f"中断 {sure_ms:.0f} ms", f"a gap of {sure_ms:.0f} ms"))
        return problems


@dataclass(frozen=True, slots=True)
class Between:
    """The time from one point to another is within bounds, in s."""

    begin: Anchor
    end: Anchor
    low_s: float
    high_s: float

    def judge(self, evidence: Evidence) -> Finding:
        """Compare with the two times."""
        span = f"{self.low_s:g}–{self.high_s:g} s"
        expected = Text(
            f"{self.begin.text.zh} → {self.end.text.zh}:{span}", f"{self.begin.text.en} → {self.end.text.en}: {span}"
        )
        for anchor in (self.begin, self.end):
            if anchor.find(evidence) is None:
                return _missing(expected, anchor)
        begin_s, end_s = self.begin.find(evidence), self.end.find(evidence)
        assert begin_s is not None
        assert end_s is not None
        took_s = end_s - begin_s
        measured = f"{took_s:.3f} s ({begin_s:.3f} → {end_s:.3f})"
        return Finding(expected, Text(measured, measured), _verdict(self.low_s <= took_s <= self.high_s))


def timeout(begin: Anchor, end: Anchor, limit_s: float) -> Between:
    """A time-out of ``limit_s`` with the tolerance that belongs to it."""
    return Between(begin, end, limit_s - EARLY_S, limit_s + late_s(limit_s))


@dataclass(frozen=True, slots=True)
class Gone:
    """A message does not come any more from a point on (but for ``grace_s``), at least until another one."""

    sign: str
    since: Anchor
    until: Anchor | None = None
    grace_s: float = 0.05

    def judge(self, evidence: Evidence) -> Finding:
        """Look for messages that should not be there."""
        zh, en = self.since.text
        expected = Text(f"{zh}后不再有 {self.sign}", f"no {self.sign} after {en}")
        since_s = self.since.find(evidence)
        if since_s is None:
            return _missing(expected, self.since)
        until_s = None if self.until is None else self.until.find(evidence)
        found = evidence.of(self.sign, since_s + self.grace_s, float("inf") if until_s is None else until_s)
        found = [each for each in found if each.at_s > since_s + 1e-6]
        if found:
            last_s = found[-1].at_s - since_s
            return Finding(
                expected,
                Text(f"仍有 {len(found)} 帧,至 +{last_s:.3f} s", f"{len(found)} more, until +{last_s:.3f} s"),
                Verdict.FAIL,
            )
        return Finding(expected, Text(f"无(自 {since_s:.3f} s)", f"none (since {since_s:.3f} s)"), Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Bytes:
    """The first message of a sign (after a point) carries these bytes; ``mask`` has ones where it matters."""

    sign: str
    payload: bytes
    meaning: Text
    mask: bytes | None = None
    after: Anchor | None = None

    def judge(self, evidence: Evidence) -> Finding:
        """Compare byte by byte."""
        mask = self.mask if self.mask is not None else b"\xff" * len(self.payload)
        shown = " ".join(
            f"{value:02X}" + ("" if bits == 0xFF else f"&{bits:02X}")
            for value, bits in zip(self.payload, mask, strict=True)
            if bits
        )
        expected = Text(f"{self.sign} = {shown}({self.meaning.zh})", f"{self.sign} = {shown} ({self.meaning.en})")
        since_s = float("-inf")
        if self.after is not None:
            found_s = self.after.find(evidence)
            if found_s is None:
                return _missing(expected, self.after)
            since_s = found_s
        found = evidence.of(self.sign, since_s)
        if not found:
            return Finding(expected, Text(f"无 {self.sign}", f"no {self.sign}"), Verdict.FAIL)
        first = found[0]
        wanted = bytes(value & bits for value, bits in zip(self.payload, mask, strict=True))
        got = bytes(value & bits for value, bits in zip(first.payload, mask, strict=False))
        measured = f"{first.payload.hex(' ').upper()} @ {first.at_s:.3f} s"
        return Finding(expected, Text(measured, measured), _verdict(got == wanted))


@dataclass(frozen=True, slots=True)
class Switched:
    """Something at the pile is in a position within a time after a point, and stays there until ``until``."""

    key: str
    on: bool
    after: Anchor
    within_s: float
    until: Anchor | None = None

    def judge(self, evidence: Evidence) -> Finding:
        """Look at the rows of the plant."""
        zh, en = SWITCHES[self.key]
        limit = f"≤ {self.within_s:g} s"
        expected = Text(
            f"{zh}{'闭合' if self.on else '断开'}:{self.after.text.zh}后 {limit}",
            f"{en} {'on' if self.on else 'off'} {limit} after {self.after.text.en}",
        )
        after_s = self.after.find(evidence)
        if after_s is None:
            return _missing(expected, self.after)
        until_s = None if self.until is None else self.until.find(evidence)
        rows = [row for row in evidence.rows if until_s is None or row.at_s <= until_s]
        if not rows:
            return Finding(expected, Text("无数据", "nothing recorded"), Verdict.INCONCLUSIVE)
        at_s: float | None = None
        for row in rows:
            if bool(row.values[self.key]) is not self.on:
                at_s = None
            elif at_s is None:
                at_s = row.at_s
        if at_s is None:
            return Finding(expected, Text("未发生", "it never was"), Verdict.FAIL)
        took_s = at_s - after_s
        measured = f"{took_s:+.3f} s (@ {at_s:.3f} s)"
        return Finding(expected, Text(measured, measured), _verdict(took_s <= self.within_s))


@dataclass(frozen=True, slots=True)
class Reaches:
    """A measured value is within bounds at some time within ``within_s`` after a point, or (``all_time``) always."""

    key: str
    low: float
    high: float
    after: Anchor
    within_s: float
    begins_s: float = 0.0
    all_time: bool = False

    def judge(self, evidence: Evidence) -> Finding:
        """Look at the rows of the plant."""
        zh, en = LEVELS[self.key]
        bounds = f"{self.low:g}–{self.high:g} {'A' if self.key.endswith('_a') else 'V'}"
        window = f"+{self.begins_s:g}…{self.within_s:g} s"
        expected = Text(
            f"{zh} {bounds}({self.after.text.zh} {window}{',全程' if self.all_time else ''})",
            f"{en} {bounds} ({self.after.text.en} {window}{', throughout' if self.all_time else ''})",
        )
        after_s = self.after.find(evidence)
        if after_s is None:
            return _missing(expected, self.after)
        rows = [row for row in evidence.rows if after_s + self.begins_s <= row.at_s <= after_s + self.within_s]
        if not rows:
            return Finding(expected, Text("无数据", "nothing recorded"), Verdict.INCONCLUSIVE)
        values = [(float(row.values[self.key]), row.at_s - after_s) for row in rows]
        inside = [(value, at_s) for value, at_s in values if self.low <= value <= self.high]
        good = len(inside) == len(values) if self.all_time else bool(inside)
        lowest, highest = min(values)[0], max(values)[0]
        first = f", +{inside[0][1]:.3f} s" if inside and not self.all_time else ""
        measured = f"{lowest:.1f}…{highest:.1f}{first}"
        return Finding(expected, Text(measured, measured), _verdict(good))


@dataclass(frozen=True, slots=True)
class Rounds:
    """So many separate rounds of a message: a pause longer than ``pause_s`` begins a new one."""

    sign: str
    count: int
    pause_s: float = 1.0

    def judge(self, evidence: Evidence) -> Finding:
        """Count them."""
        times = [each.at_s for each in evidence.of(self.sign)]
        starts = [at_s for number, at_s in enumerate(times) if number == 0 or at_s - times[number - 1] > self.pause_s]
        expected = Text(f"{self.sign} 共 {self.count} 轮", f"{self.count} rounds of {self.sign}")
        shown = f"{len(starts)} ({', '.join(f'{at_s:.1f}' for at_s in starts)} s)"
        return Finding(expected, Text(shown, shown), _verdict(len(starts) == self.count))


@dataclass(frozen=True, slots=True)
class Replied:
    """What the pile answered to a start attempt of the tester."""

    name: str
    name_zh: str
    result: str

    def judge(self, evidence: Evidence) -> Finding:
        """Compare with the reply kept."""
        words = {"accepted": Text("接受", "accepted"), "rejected": Text("拒绝", "refused")}
        expected = Text(f"{self.name_zh}:{words[self.result].zh}", f"{self.name}: {words[self.result].en}")
        reply = evidence.replies.get(self.name)
        if reply is None:
            return Finding(expected, Text("未尝试", "not tried"), Verdict.INCONCLUSIVE)
        return Finding(expected, Text(reply, reply), _verdict(reply.split(" ")[0] == self.result))


@dataclass(frozen=True, slots=True)
class Transferred:
    """Every transfer of a message is received whole, or given up by abort: no request to send stays unanswered."""

    sign: str

    def judge(self, evidence: Evidence) -> Finding:
        """Look at the answers of the charger."""
        expected = Text(
            f"{self.sign}:以传输协议接收完整或放弃连接",
            f"{self.sign}: received whole by transport protocol, or aborted",
        )
        asked = [each for each in evidence.answers if each.name == self.sign and each.kind == "cts"]
        whole = [each for each in evidence.answers if each.name == self.sign and each.kind == "end"]
        given_up = [each for each in evidence.answers if each.name == self.sign and each.kind == "abort"]
        if not evidence.of(self.sign) and not given_up:
            return Finding(expected, Text("无完整传输", "no complete transfer"), Verdict.FAIL)
        slowest_ms = max((each.after_s * 1000 for each in asked), default=0.0)
        measured = Text(
            f"接收 {len(whole)} 次,放弃 {len(given_up)} 次,CTS 最慢 {slowest_ms:.1f} ms",
            f"{len(whole)} received, {len(given_up)} aborted, slowest CTS {slowest_ms:.1f} ms",
        )
        return Finding(expected, measured, _verdict(bool(whole or given_up)))


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a clause: its name and the checks it stands for."""

    text: Text
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class EitherReading:
    """A clause with more than one reading: meeting one is enough, and the finding states which."""

    readings: tuple[Reading, ...]

    def judge(self, evidence: Evidence) -> Finding:
        """Judge every reading."""
        judged = [(reading, [check.judge(evidence) for check in reading.checks]) for reading in self.readings]
        expected = Text(
            " 或 ".join(f"[{r.text.zh}] " + "；".join(f.expected.zh for f in found) for r, found in judged),
            " or ".join(f"[{r.text.en}] " + "; ".join(f.expected.en for f in found) for r, found in judged),
        )
        met = [(r, found) for r, found in judged if all(each.verdict is Verdict.PASS for each in found)]
        shown = met or judged
        measured = Text(
            " | ".join(f"[{r.text.zh}] " + "；".join(f.measured.zh for f in found) for r, found in shown),
            " | ".join(f"[{r.text.en}] " + "; ".join(f.measured.en for f in found) for r, found in shown),
        )
        if met:
            zh, en = "、".join(r.text.zh for r, _ in met), ", ".join(r.text.en for r, _ in met)
            return Finding(expected, measured, Verdict.PASS, Text(f"符合:{zh}", f"met: {en}"))
        failed = any(f.verdict is Verdict.FAIL for _, found in judged for f in found)
        verdict = Verdict.FAIL if failed else Verdict.INCONCLUSIVE
        return Finding(expected, measured, verdict, Text("两种读法均不符合", "no reading is met"))


def overall(findings: Sequence[Finding]) -> Verdict:
    """One failed check fails the case; one that could not be judged leaves it open; nothing checked is not passed."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    if Verdict.INCONCLUSIVE in verdicts or not findings:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
