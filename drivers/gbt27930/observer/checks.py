"""What the content of the messages is held against: defined values, and the limits of the judge."""

from collections.abc import Mapping
from typing import Any

from drivers.gbt27930.judge.demands import announced, demand_beyond
from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import Lasting, StateOfCharge, Stuck
from drivers.gbt27930.judge.limits import JudgeLimits
from drivers.gbt27930.judge.output import Output
from drivers.gbt27930.judge.status import Difference, battery_beyond
from drivers.gbt27930.messages.fields import Kind, Message
from drivers.gbt27930.observer.model import Session, Stage
from drivers.gbt27930.observer.transfers import Tell

_V2G_MODE = 3


def undefined(message: Message, payload: bytes, values: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Fields of a readable message that hold no defined value: name and raw content. Unused fields are not meant."""
    if message.item_bytes:
        return []
    bits = int.from_bytes(payload, "little")
    found = []
    for field in message.fields:
        if field.last_byte > len(payload):
            continue
        raw = bits >> field.shift & field.ones
        value = values[field.name]
        if field.optional and raw == field.ones:
            continue
        unread = value is None and field.kind in (Kind.NUMBER, Kind.FLAG, Kind.BCD)
        unknown = field.kind is Kind.CODE and field.choices and raw not in field.choices
        if unread or unknown:
            found.append((field.name, raw))
    return found


class Checks:
    """Judges the content of the messages of one session after the other. ``tell`` takes what is worth a report."""

    def __init__(self, tell: Tell, limits: JudgeLimits) -> None:
        self._tell = tell
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """A session or an attempt begins: nothing of the last one counts."""
        self._output = Output(self._limits)
        self._difference = Difference()
        self._soc = StateOfCharge()
        self._stuck = {name: Stuck(name) for name in ("BCS", "CCS")}
        self._battery: dict[str, dict[str, Lasting]] = {"BCS": {}, "BSM": {}}
        self._last_payload: dict[str, bytes] = {}

    def values(self, message: Message, payload: bytes, values: Mapping[str, Any], now_s: float) -> None:
        """Reports undefined values of a message, once for each content."""
        if self._last_payload.get(message.name) == payload:
            return
        self._last_payload[message.name] = payload
        for name, raw in undefined(message, payload, values):
            if message.name == "BCL" and name == "mode" and raw == _V2G_MODE:
                self._tell("mode.v2g", "BCL", now_s, "1, 2", "3")
                continue
            self._tell("value", message.name, now_s, "", f"{name} raw {raw}")

    def demand(self, session: Session, now_s: float) -> None:
        """BCL against BCP and CML."""
        ceilings = (announced("bcp", session.values("BCP")), announced("cml", session.values("CML")))
        for finding in demand_beyond(session.values("BCL"), ceilings, self._limits):
            self._tell_finding(finding, now_s)

    def output(self, session: Session, ccs: Mapping[str, Any], now_s: float) -> None:
        """CCS against the demand, the vehicle's maximum, and the charger's own permission."""
        if session.stage is not Stage.CHARGING:
            return
        for finding in self._output.take(ccs, session.values("BCL"), session.values("BCP"), now_s):
            self._tell_finding(finding, now_s)
        if ccs.get("current_a") is not None:
            self._take_stuck("CCS", ccs, ccs["current_a"], now_s)

    def measured(self, session: Session, now_s: float) -> None:
        """BCS against CCS, against BCP and against the one before."""
        bcs, ccs = session.values("BCS"), session.values("CCS")
        former = self._soc.former_percent
        if former is None:
            former = self._soc.former_percent = session.values("BCP").get("soc_percent")
        for finding in self._soc.take(bcs.get("soc_percent"), self._limits):
            seen = f"{former:g} % -> {finding.seen:g} %"
            self._tell(finding.code, "BCS", now_s, f"step up to {finding.limit:g} %", seen, finding.amount)
        self.battery(session, "BCS", now_s)
        if session.stage is not Stage.CHARGING:
            return
        output_v, output_a = ccs.get("voltage_v"), ccs.get("current_a")
        for finding in self._difference.take(bcs, output_v, output_a, now_s, self._limits):
            if self._difference.begins(finding.unit):
                self._tell_finding(finding, now_s, "≈")
        said_a = bcs.get("current_a")
        if said_a is not None:
            self._take_stuck("BCS", bcs, said_a if output_a is None else output_a, now_s)

    def battery(self, session: Session, name: str, now_s: float) -> None:
        """What the battery measures of itself in BCS or BSM, against BCP; one message alone proves nothing."""
        if session.stage is not Stage.CHARGING:
            return
        said = {"BCP": session.values("BCP"), name: session.values(name)}
        found = {finding.code: finding for finding in battery_beyond(said, self._limits)}
        lasting = self._battery[name]
        for code in lasting.keys() | found.keys():
            finding = found.get(code)
            lasts = lasting.setdefault(code, Lasting())
            lasts.take(0.0 if finding is None else finding.amount, now_s, 0.0)
            if finding is not None and lasts.begins:
                self._tell_finding(finding, now_s)

    # ------------------------------------------------------------------------------------------------ inside

    def _take_stuck(self, name: str, values: Mapping[str, Any], current_a: float, now_s: float) -> None:
        stuck = self._stuck[name]
        for finding in stuck.take(values, now_s, current_a, self._limits):
            if stuck.begins:
                self._tell_finding(finding, now_s)

    def _tell_finding(self, finding: Finding, now_s: float, sign: str = "≤") -> None:
        limit, seen = f"{sign} {finding.limit:g} {finding.unit}", f"{finding.seen:g} {finding.unit}"
        self._tell(finding.code, finding.message, now_s, limit, seen, finding.amount)
