"""Events of a charge that was only followed, in words."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from agent.cli.words import Speaker
from agent.vocabulary import events

Words = Callable[[Speaker, Mapping[str, Any]], str]


def _violation(speak: Speaker, body: Mapping[str, Any]) -> str:
    text = speak.pick(str(body.get("text_zh")), str(body.get("text_en")))
    facts = [f"{body.get('message')}: {text}".removeprefix(": ")]
    if body.get("seen"):
        facts.append(f"{speak.pick('实际', 'seen')} {body['seen']}")
    if body.get("expected"):
        facts.append(f"{speak.pick('应为', 'expected')} {body['expected']}")
    return f"{speak.word(events.EVENTS, events.PROTOCOL_VIOLATION)}, {', '.join(facts)}"


def _stop_asked(speak: Speaker, body: Mapping[str, Any]) -> str:
    message = str(body.get("message"))
    by = speak.pick("车辆", "the vehicle") if message == "BST" else speak.pick("充电机", "the charger")
    return f"{by}{speak.pick('停止报文', ' says stop')} ({message}): {body.get('causes') or '-'}"


def _fault_state(speak: Speaker, body: Mapping[str, Any]) -> str:
    words = speak.word(events.EVENTS, events.VEHICLE_FAULT_STATE)
    return f"{words} ({body.get('message')}): {body.get('states')}"


def _limits(speak: Speaker, body: Mapping[str, Any]) -> str:
    figures = f"≤ {body.get('maximum_voltage_v')} V, ≤ {body.get('maximum_current_a')} A"
    return f"{speak.word(events.EVENTS, events.CHARGER_LIMITS)}: {figures}"


def _energy(speak: Speaker, body: Mapping[str, Any]) -> str:
    register = f"{speak.pick('电表', 'register')} {body.get('register_wh')} Wh"
    return f"{speak.word(events.EVENTS, events.ENERGY_DISAGREES)}: {register}, CSD {body.get('csd_wh')} Wh"


def _attempt(speak: Speaker, body: Mapping[str, Any]) -> str:
    return speak.pick(f"第 {body.get('attempt')} 次连接", f"attempt {body.get('attempt')} to connect")


WORDS: Mapping[str, Words] = MappingProxyType(
    {
        events.PROTOCOL_VIOLATION: _violation,
        events.STOP_ASKED: _stop_asked,
        events.VEHICLE_FAULT_STATE: _fault_state,
        events.CHARGER_LIMITS: _limits,
        events.ENERGY_DISAGREES: _energy,
        events.VEHICLE_ATTEMPT: _attempt,
    }
)
"""Events of a listener with content beyond their name."""
