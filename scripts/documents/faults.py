"""docs/faults.md: every row of the catalogue with the limits that act, for both editions."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.control.listener.parameters import ListenerNumbers
from agent.control.safety.numbers import SequenceNumbers, StepTimes
from agent.settings.catalogue import Fault
from agent.settings.files import load_fault_catalogue
from drivers.gbt27930.judge.limits import JudgeLimits

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "faults.md"

HOMES: Mapping[str, type[Any]] = {
    "safety": SequenceNumbers,
    "times": StepTimes,
    "judge": JudgeLimits,
    "listener": ListenerNumbers,
}
"""Where the numbers live that a row names in ``limits``."""

_UNITS = {"v": "V", "a": "A", "s": "s", "c": "degC", "wh": "Wh", "percent": "%"}

_FAULTS_HEAD = """\
# Faults

<!-- Written by `make docs`; change config/faults.toml, not this file. -->

Every fault that the agent detects, its action, and the remedy. `pile-agent faults` shows the present faults.
本表列出所有故障、动作和处理方法;`pile-agent faults` 显示当前故障。

- **level**: 1 personal safety, 2 equipment safety, 3 notice. 级别:1 人身安全,2 设备安全,3 提示。
- **action**: `open` contactors open at once; `stop` the charge ends normally; `inhibit` no start; `derate` less
  current; `log` only recorded. 动作:立即断开、正常停止、禁止启动、降流、仅记录。
- **clears**: `self` by itself; `unplug` also needs the plug pulled; `local` also needs `pile-agent reset` at the pile.
  恢复:自动、拔枪后、现场复位(`pile-agent reset`)。
- **limit**: the value that acts; where the editions of GB/T 27930 and GB/T 18487.1 differ, both. Its name leads to its
  home (docs/dc-sequence.md). 限值:实际生效的数值;两版标准不同时均列出。
- **source** of the number: a standard, "industry practice" (seen in piles in the field) or "own" (a decision of this
  project).
- **SZ77**: alarm code of Shenzhen DB4403/T 77, where one fits.
"""


def values_of(name: str) -> tuple[float, float]:
    """A number by the name that a row gives, in the 2015 and the 2023 edition. Raises KeyError for an unknown name."""
    home, _, field_name = name.partition(".")
    for field in dataclasses.fields(HOMES[home]):
        if field.name == field_name:
            return field.metadata.get("2015", field.default), field.metadata.get("2023", field.default)
    raise KeyError(name)


def limit_text(name: str) -> str:
    """A limit as the document shows it: name and value, both values where the editions differ."""
    old, new = (_value(name, value) for value in values_of(name))
    return f"`{name}` {old}" if old == new else f"`{name}` {old} (2023: {new})"


def _value(name: str, value: float) -> str:
    if name.endswith(("_share", "_tolerance")):
        return f"{value * 100:g} %"
    if name.endswith("_ohm_per_v"):
        return f"{value:g} ohm/V"
    return f"{value:g} {_UNITS[name.rpartition('_')[2]]}"


def faults_text(faults: Mapping[str, Fault]) -> str:
    """The whole of docs/faults.md."""
    lines = [_FAULTS_HEAD, "| fault | level | action | clears | text |", "|---|---|---|---|---|"]
    lines += [
        f"| [`{fault.id}`](#{fault.id}) | {fault.level} | {fault.action} | {fault.clear} "
        f"| {fault.text_zh} · {fault.text_en} |"
        for fault in faults.values()
    ]
    for fault in faults.values():
        lines += ["", f"## {fault.id}", "", f"**{fault.text_zh} · {fault.text_en}**", ""]
        facts = [
            f"level {fault.level}",
            f"action `{fault.action}`",
            f"clears `{fault.clear}` after {fault.clear_s:g} s",
        ]
        facts.append(f"raised after {fault.debounce_s:g} s" if fault.debounce_s else "raised at once")
        if fault.threshold is not None:
            facts.append(f"limit {fault.threshold:g} {fault.unit}")
        if fault.sz77_code is not None:
            facts.append(f"SZ77 {fault.sz77_code}")
        lines += [f"{', '.join(facts)}. Source: {fault.source}.", ""]
        if fault.limits:
            lines += [f"Limits: {'; '.join(limit_text(name) for name in fault.limits)}.", ""]
        lines += [f"- {fault.hint_zh}", f"- {fault.hint_en}"]
    return "\n".join([*lines, ""])


def text() -> str:
    """The document of the shipped catalogue."""
    return faults_text(load_fault_catalogue(ROOT / "config" / "faults.toml"))


def documents() -> dict[Path, str]:
    """The document, keyed by its path in the checkout."""
    return {DOCUMENT: text()}
