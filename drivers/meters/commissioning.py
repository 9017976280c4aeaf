"""What a map states for the tools of an installer: how a model is identified, and how its address is set.

The agent itself reads none of this and never writes to a meter.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.meters.sections import MapText, Section

Register = Annotated[int, Meta(ge=0, le=0xFFFF, description="address on the wire, 0-based")]


class IdentityCode(Section, frozen=True, kw_only=True):
    """A register that holds a code of the model: one of ``equals`` in a meter that this map fits."""

    register: Register
    function: Annotated[Literal[3, 4], Meta(description="function code that reads it")] = 3
    type: Annotated[Literal["u16", "u32"], Meta(description="how the registers hold the code, high word first")] = "u16"
    equals: Annotated[
        list[Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]], Meta(min_length=1, description="codes of the models it fits")
    ]
    source: Annotated[str, Meta(min_length=1, description="where the codes come from")]

    @property
    def width(self) -> int:
        """Number of registers."""
        return 1 if self.type == "u16" else 2


class Setting(Section, frozen=True, kw_only=True):
    """One register (or two, for f32) that holds a setting of the line.

    Without ``codes`` the number itself is written. ``codes`` gives the number to write for each legal setting: baud
    rates as they are ("9600"), frames as data bits, parity, stop bits ("8E1").
    """

    register: Register
    type: Annotated[Literal["u16", "f32"], Meta(description="how the registers hold it, high word first")] = "u16"
    write_function: Annotated[Literal[6, 16], Meta(description="function code that writes it")] = 16
    codes: Annotated[dict[str, Annotated[int, Meta(ge=0, le=0xFFFF)]], Meta(description="number for each setting")] = (
        msgspec.field(default_factory=dict)
    )

    @property
    def width(self) -> int:
        """Number of registers."""
        return 1 if self.type == "u16" else 2


class Settings(Section, frozen=True, kw_only=True):
    """The settings of its line that ``pile-agent meter set-address`` and ``set-serial`` may write; nothing else."""

    address: Annotated[Setting, Meta(description="address of the device")] | None = None
    baud: Annotated[Setting, Meta(description="baud rate")] | None = None
    frame: Annotated[Setting, Meta(description="data bits, parity, stop bits")] | None = None
    restart: Annotated[bool, Meta(description="a new setting applies only after a power cycle")] = False
    source: Annotated[str, Meta(min_length=1, description="where the registers come from")]
    note: Annotated[MapText, Meta(description="notes before setting it")] | None = None

    @property
    def all(self) -> dict[str, Setting]:
        """The settings of the map, keyed by setting name."""
        named = {"address": self.address, "baud": self.baud, "frame": self.frame}
        return {name: setting for name, setting in named.items() if setting is not None}


def commissioning_mistakes(
    identify: Sequence[IdentityCode], settings: Settings | None, forbidden: Collection[tuple[int, int]]
) -> Iterator[tuple[str, str, str]]:
    """What does not fit together: dotted key, and what is wrong, in Chinese and English.

    ``forbidden``: first and last registers that must never be written.
    """
    for index, code in enumerate(identify):
        if code.type == "u16" and max(code.equals) > 0xFFFF:
            yield f"identify[{index}].equals", "数值超出 u16", "a code does not fit into u16"
        if code.register + code.width > 0x10000:
            yield f"identify[{index}].register", "超出寄存器 65535", "exceeds register 65535"
    for name, setting in ({} if settings is None else settings.all).items():
        last = setting.register + setting.width - 1
        if any(setting.register <= high and last >= low for low, high in forbidden):
            yield (
                f"settings.{name}.register",
                f"寄存器 {setting.register} 列在 never_write 中",
                f"register {setting.register} is in never_write",
            )
        if setting.type == "f32" and setting.write_function == 6:
            yield (
                f"settings.{name}.write_function",
                "f32 占两个寄存器,功能码 6 无法写入",
                "f32 takes two registers, which function 6 cannot write",
            )
        if name == "address" and setting.codes:
            yield f"settings.{name}.codes", "地址直接写入,没有代码表", "an address is written directly, without codes"
        if name != "address" and not setting.codes:
            yield f"settings.{name}.codes", "缺少", "is missing"
        for code_name in setting.codes:
            if name != "address" and not is_legal_setting(name, code_name):
                yield f"settings.{name}.codes", f"{code_name} 不合法", f"{code_name} is not a valid {name}"


def is_legal_setting(name: str, value: str) -> bool:
    """Whether ``value`` names a setting: a baud rate, or a frame such as 8E1."""
    if name == "baud":
        return value.isdecimal() and 300 <= int(value) <= 115200
    return len(value) == 3 and value[0] == "8" and value[1] in "NEO" and value[2] in "12"
