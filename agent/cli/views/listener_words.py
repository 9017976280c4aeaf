"""Events of a charge that was only followed, in words."""

from collections.abc import Mapping
from typing import Any

from agent.cli.words import Speaker


def heard_event(speak: Speaker, body: Mapping[str, Any]) -> str | None:
    """A line of the time line; None for an event that is not a listener's."""
    pick, name = speak.pick, str(body.get("event"))
    if name == "protocol_violation":
        text = pick(str(body.get("text_zh")), str(body.get("text_en")))
        facts = [f"{body.get('message')}: {text}".removeprefix(": ")]
        if body.get("seen"):
            facts.append(f"{pick('实际', 'seen')} {body['seen']}")
        if body.get("expected"):
            facts.append(f"{pick('应为', 'expected')} {body['expected']}")
        return f"{pick('规约违例', 'protocol violation')}, {', '.join(facts)}"
    if name == "stop_asked":
        message = str(body.get("message"))
        by = pick("车辆", "the vehicle") if message == "BST" else pick("充电机", "the charger")
        return f"{by}{pick('停止报文', ' says stop')} ({message}): {body.get('causes') or '-'}"
    if name == "vehicle_fault":
        states = f"({body.get('message')}): {body.get('states')}"
        return f"{pick('车辆报告故障状态', 'the vehicle reports a fault state')} {states}"
    if name == "charger_limits":
        figures = f"≤ {body.get('maximum_voltage_v')} V, ≤ {body.get('maximum_current_a')} A"
        return f"{pick('充电机输出能力', 'charger limits')}: {figures}"
    if name == "energy_disagrees":
        register, csd = body.get("register_wh"), body.get("csd_wh")
        return f"{pick('电量不一致', 'energy disagrees')}: {pick('电表', 'register')} {register} Wh, CSD {csd} Wh"
    return {
        "vehicle_attempt": pick(f"第 {body.get('attempt')} 次连接", f"attempt {body.get('attempt')} to connect"),
        "vehicle_pause": pick("车辆请求暂停", "the vehicle asks for a pause"),
        "vehicle_resume": pick("车辆恢复充电", "the vehicle ends the pause"),
    }.get(name)
