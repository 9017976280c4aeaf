"""Kinds, events, reasons, commands and results are written down once, in agent.vocabulary; elsewhere by constant.

Keys of bodies are not looked for here: mypy and the check of bodies hold them against their classes.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.vocabulary import events, kinds, reasons, states

ROOT = Path(__file__).parents[2]
RESULTS = {reasons.ACCEPTED, reasons.DONE, *reasons.FINAL_RESULTS, reasons.SETTLED, reasons.REFUSED}
COMMANDS = {reasons.START, reasons.STOP, reasons.RESET, reasons.LIMIT, reasons.METER_EXCHANGE, reasons.METER_PROVE}
WORDS = (
    {*kinds.KINDS, *kinds.AUDITS, *events.EVENTS, *reasons.STOP_REASONS, *reasons.REFUSALS, *reasons.PERMISSION_REASONS}
    | RESULTS
    | COMMANDS
)
HOMONYMS = {
    ("agent/cli/bms/live.py", "stop"): "code of an observer's rule",
    ("agent/cli/bms/plot.py", "limit"): "style of a line",
    ("agent/cli/bms/view.py", "stop"): "code of an observer's rule",
    ("agent/cli/bms/view.py", "vehicle"): "a side of the dialogue",
    ("agent/cli/bms/words.py", "insulation"): "a phase of the dialogue",
    ("agent/cli/bms/words.py", "vehicle"): "a side of the dialogue",
    ("agent/cli/meter/tools.py", "refused"): "a write that the meter refused",
    ("agent/cli/views/check.py", "platform"): "English text of a row",
    ("agent/cli/views/check.py", "vehicle"): "English text of a row",
    ("agent/cli/views/record.py", "event"): "English text of a column",
    ("agent/cli/views/record.py", "vehicle"): "English text of a row",
    ("agent/cli/views/status.py", "local"): "clear rule of a fault",
    ("agent/cli/views/status.py", "platform"): "English text of a row",
    ("agent/cli/views/status.py", "refused"): "English text of an answer",
    ("agent/cli/views/status.py", "start"): "English text of a row",
    ("agent/cli/views/status.py", "state"): "English text of a row",
    ("agent/cli/words.py", "accepted"): "English text",
    ("agent/cli/words.py", "done"): "English text",
    ("agent/cli/words.py", "expired"): "who limits",
    ("agent/cli/words.py", "failed"): "English text",
    ("agent/cli/words.py", "refused"): "English text",
    ("agent/cli/words.py", "rejected"): "English text",
    ("agent/cli/words.py", "settled"): "English text",
    ("agent/control/chassis/chassis.py", "internal_error"): "id of a fault",
    ("agent/control/chassis/commands.py", "local"): "origin of a command",
    ("agent/control/dc/core.py", "internal_error"): "id of a fault",
    ("agent/control/dc/machine.py", "reconnect"): "trigger of a move",
    ("agent/control/dc/power_share.py", "expired"): "who limits",
    ("agent/control/dc/reactions.py", "stop"): "action of a fault",
    ("agent/control/dc/sessions.py", "internal_error"): "id of a fault",
    ("agent/control/dc/steps/charging.py", "battery"): "who limits",
    ("agent/control/dc/steps/charging.py", "vehicle"): "who limits",
    ("agent/control/dc/steps/reconnecting.py", "internal_error"): "id of a fault",
    ("agent/control/dc/steps/reconnecting.py", "reconnect"): "trigger of a move",
    ("agent/control/listener/core.py", "stop"): "code of an observer's rule",
    ("agent/control/listener/faults.py", "clock_unset"): "id of a fault",
    ("agent/control/listener/faults.py", "internal_error"): "id of a fault",
    ("agent/control/listener/faults.py", "protocol_violation"): "id of a fault",
    ("agent/control/power/budget.py", "vehicle"): "who limits",
    ("agent/control/power/commands.py", "expired"): "answer to a power limit",
    ("agent/control/power/commands.py", "expiry_too_far"): "answer to a power limit",
    ("agent/control/power/commands.py", "local"): "origin of a power limit",
    ("agent/control/power/commands.py", "platform"): "origin of a power limit",
    ("agent/control/power/values.py", "expired"): "who limits",
    ("agent/control/safety/fault_register.py", "local"): "clear rule of a fault",
    ("agent/control/safety/permission.py", "stop"): "action of a fault",
    ("agent/control/safety/rules.py", "clock_unset"): "id of a fault",
    ("agent/control/safety/rules.py", "internal_error"): "id of a fault",
    ("agent/field/power_side.py", "local"): "origin of a power limit",
    ("agent/field/power_side.py", "platform"): "origin of a power limit",
    ("agent/field/power_side.py", "stop"): "action of a fault",
    ("agent/link/messages.py", "command"): "tag of a message of the link",
    ("agent/settings/catalogue.py", "local"): "clear rule of a fault",
    ("agent/settings/catalogue.py", "stop"): "action of a fault",
}
"""The same letters with another meaning, and which."""


def _keys(node: ast.AST) -> list[ast.expr]:
    """Where a string is the key of a mapping."""
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    if isinstance(node, ast.Subscript):
        return [node.slice]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        return node.args[:1]
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return [node.left]
    return []


def literals(text: str) -> Iterator[tuple[int, str]]:
    """Line and word of each string literal that is a word of the table and no key."""
    tree = ast.parse(text)
    keys = {id(key) for node in ast.walk(tree) for key in _keys(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in keys:
            continue
        if isinstance(node.value, str) and node.value in WORDS:
            yield node.lineno, node.value


def _files() -> list[Path]:
    found = sorted((ROOT / "agent").rglob("*.py"))
    return [path for path in found if not path.relative_to(ROOT).as_posix().startswith("agent/vocabulary/")]


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words_of_the_table_are_used_through_their_constants(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    found = [(line, word) for line, word in literals(path.read_text(encoding="utf-8")) if (place, word) not in HOMONYMS]
    assert not found, f"{place}: use the constants of agent.vocabulary, or say in HOMONYMS what else it means"


def test_every_homonym_is_still_there() -> None:
    for place, word in HOMONYMS:
        assert word in {found for _, found in literals((ROOT / place).read_text(encoding="utf-8"))}, (place, word)


def test_the_scan_finds_values_and_leaves_keys_alone() -> None:
    assert list(literals("x = 'session_ended'\ny['session_ended']\n{'session_ended': 1}\n")) == [(1, "session_ended")]
    assert list(literals("record('state', {'event': 'battery'})")) == [(1, "state"), (1, "battery")]


def test_no_word_is_in_two_tables_with_two_meanings() -> None:
    assert not set(reasons.REFUSALS) & set(reasons.PERMISSION_REASONS)
    assert not set(reasons.STOP_REASONS) & set(reasons.REFUSALS)
    assert set(reasons.STOP_REASONS) >= reasons.NORMAL_STOPS | reasons.LISTENER_NORMAL_STOPS | reasons.REPLUG_STOPS
    assert set(states.CLOCK_QUALITIES) == {"unset", "holdover", "synced"}
