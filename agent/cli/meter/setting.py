"""Writes the address, the baud rate or the frame of a meter: the only code of the agent that writes to one.

Only ``settings`` of the map may be written; registers in ``never_write`` are refused regardless of ``settings``.
Before the write the register must hold the setting with which the meter has just answered: then it is that register.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.cli.meter.bus import Answer, Bus, LineSettings
from agent.cli.meter.scan_plan import LIFETIME_S, presence_requests
from drivers.meters.commissioning import Setting
from drivers.meters.modbus_map import RegisterMap
from drivers.modbus.codec import READ_HOLDING_REGISTERS, Request
from drivers.text import Text

OpenBus = Callable[[LineSettings], Bus]

NAMES = {
    "address": Text("地址", "address"),
    "baud": Text("波特率", "baud rate"),
    "frame": Text("校验和停止位", "parity and stop bits"),
}


class RefusedError(Exception):
    """Nothing was written; ``why`` is the reason, ``hint`` the remedy."""

    def __init__(self, why: Text, hint: Text = Text("", "")) -> None:  # noqa: B008  # an empty text, never changed
        super().__init__(why.en)
        self.why = why
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Change:
    """One setting to change from ``old`` to ``new``, as people name them: "1", "9600", "8E1"."""

    name: str
    setting: Setting
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a write.

    ``confirmed``: the meter answers with the new setting, or, if it needs a restart, shows it in its register.
    """

    change: Change
    confirmed: bool
    restart: bool
    what: Text


def plan_change(register_map: RegisterMap, name: str, old: str, new: str) -> Change:
    """What would be written. Raises RefusedError if the map has no data for it or the value is not legal."""
    settings = register_map.settings
    setting = None if settings is None else settings.all.get(name)
    what = NAMES[name]
    if setting is None:
        raise RefusedError(
            Text(
                f"{register_map.id} 的电表点表没有{what.zh}的寄存器",
                f"the map {register_map.id} does not contain the register for the {what.en}",
            ),
            Text("在电表菜单中设置", "set it in the menu of the meter"),
        )
    if old == new:
        raise RefusedError(Text(f"{what.zh}已是 {new}", f"the {what.en} is {new} already"))
    legal = list(setting.codes)
    if name == "address":
        if not new.isdecimal() or not 1 <= int(new) <= 247:
            raise RefusedError(Text(f"地址 {new} 不在 1 至 247", f"address {new} is not within 1 to 247"))
    elif new not in legal:
        names = ", ".join(legal)
        raise RefusedError(
            Text(f"该电表没有{what.zh} {new}", f"this meter has no {what.en} {new}"),
            Text(f"可用:{names}", f"there is: {names}"),
        )
    last = setting.register + setting.width - 1
    for entry in register_map.never_write:
        if setting.register <= entry.last and last >= entry.first:
            raise RefusedError(
                Text(
                    f"寄存器 {setting.register} 禁止写入:{entry.why.zh}",
                    f"register {setting.register} must never be written: {entry.why.en}",
                )
            )
    return Change(name, setting, old, new)


def words_for(setting: Setting, value: str) -> tuple[int, ...]:
    """The registers that stand for a setting. Raises KeyError for one that the meter does not have."""
    number = setting.codes[value] if setting.codes else int(value)
    if setting.type == "u16":
        return (number,)
    high, low = struct.unpack(">HH", struct.pack(">f", float(number)))
    return high, low


class Writer:
    """Carries out one change on the meter at ``address``. Raises PortError when the port fails."""

    def __init__(self, open_bus: OpenBus, settings: LineSettings, register_map: RegisterMap, address: int) -> None:
        self._open_bus = open_bus
        self._settings = settings
        self._map = register_map
        self._address = address
        self._latency_s = register_map.latency_ms / 1000
        self._gap_s = register_map.minimum_gap_ms / 1000

    def check(self, change: Change) -> None:
        """Read only: is it that register, and is the new address free? Raises RefusedError."""
        with self._open_bus(self._settings) as bus:
            held = self._held(bus, change, self._address)
            if held is None:
                raise RefusedError(
                    Text(
                        f"地址 {self._address} 的电表没有给出该设置,未写入",
                        f"the meter at {self._address} does not return that setting; nothing was written",
                    ),
                    Text(
                        "先用 meter scan 或 meter read 确认电表",
                        "make sure of the meter with `meter scan` or `meter read`",
                    ),
                )
            if held != words_for(change.setting, change.old):
                shown = " ".join(f"{word:04X}" for word in held)
                raise RefusedError(
                    Text(
                        f"寄存器 {change.setting.register} 的内容 {shown} 不是 {change.old},型号或固件可能不同,未写入",
                        f"register {change.setting.register} holds {shown}, which is not {change.old}: "
                        "another model or firmware; nothing was written",
                    )
                )
            if change.name == "address" and self._is_taken(bus, int(change.new)):
                raise RefusedError(
                    Text(
                        f"地址 {change.new} 已有设备应答,未写入",
                        f"a device answers at {change.new} already; nothing was written",
                    )
                )

    def carry_out(self, change: Change) -> Outcome:
        """Write once, then find out what the meter has made of it."""
        values = words_for(change.setting, change.new)
        function = change.setting.write_function
        write = Request(
            self._address, function, change.setting.register, values=values, priority=2, lifetime_s=LIFETIME_S
        )
        restart = self._map.settings is not None and self._map.settings.restart
        with self._open_bus(self._settings) as bus:
            answer = bus.ask(write, self._latency_s, self._gap_s)
            code = answer.result.exception_code
            if code is not None:
                return Outcome(
                    change, False, restart, Text(f"电表拒绝(异常码 {code})", f"the meter refused (exception {code})")
                )
            if self._held(bus, change, self._address) == values:
                return self._seen_at_old_place(change, restart)
        return self._look_at_new_place(change, values, restart)

    def _seen_at_old_place(self, change: Change, restart: bool) -> Outcome:
        if restart:
            return Outcome(
                change,
                True,
                restart,
                Text(
                    "已写入并读回;断电重启电表后生效",
                    "written and read back; power-cycle the meter to apply it",
                ),
            )
        return Outcome(
            change,
            True,
            restart,
            Text(
                "已写入并读回,但电表仍按原设置应答;断电重启后再确认",
                "written and read back, but the meter answers with the old setting: power-cycle it and check again",
            ),
        )

    def _look_at_new_place(self, change: Change, values: tuple[int, ...], restart: bool) -> Outcome:
        settings, address = self._settings, self._address
        if change.name == "address":
            address = int(change.new)
        elif change.name == "baud":
            settings = replace(settings, baud=int(change.new))
        else:
            settings = replace(settings, parity=change.new[1], stop_bits=int(change.new[2]))
        with self._open_bus(settings) as bus:
            held = self._held(bus, change, address)
        if held == values:
            return Outcome(
                change,
                True,
                restart,
                Text("电表已按新设置应答并读回", "the meter answers with the new setting and shows it"),
            )
        return Outcome(
            change,
            False,
            restart,
            Text(
                "写入后电表没有应答;断电重启后用 meter scan 查找",
                "the meter does not answer after the write: power-cycle it and search with `meter scan`",
            ),
        )

    def _held(self, bus: Bus, change: Change, address: int) -> tuple[int, ...] | None:
        setting = change.setting
        request = Request(
            address, READ_HOLDING_REGISTERS, setting.register, setting.width, priority=2, lifetime_s=LIFETIME_S
        )
        answer: Answer = bus.ask(request, self._latency_s, self._gap_s)
        return answer.result.registers if answer.ok else None

    def _is_taken(self, bus: Bus, address: int) -> bool:
        return any(bus.ask(request, self._latency_s, self._gap_s).is_there for request in presence_requests(address))
