"""What a map states for the tools of an installer: how a model is told from others, and how its address is set.

The agent itself reads none of this and never writes to a meter.
"""

from typing import Annotated, Literal

from msgspec import Meta

from drivers.meters.sections import Section, Text

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
    codes: Annotated[dict[str, Annotated[int, Meta(ge=0, le=0xFFFF)]], Meta(description="number for each setting")] = {}

    @property
    def width(self) -> int:
        """Number of registers."""
        return 1 if self.type == "u16" else 2


class Settings(Section, frozen=True, kw_only=True):
    """The settings of its line that ``pile-agent meter set-address`` and ``set-serial`` may write; nothing else."""

    address: Annotated[Setting, Meta(description="address of the device")] | None = None
    baud: Annotated[Setting, Meta(description="baud rate")] | None = None
    frame: Annotated[Setting, Meta(description="data bits, parity, stop bits")] | None = None
    restart: Annotated[bool, Meta(description="a new setting counts only after the meter was without supply")] = False
    source: Annotated[str, Meta(min_length=1, description="where the registers come from")]
    note: Annotated[Text, Meta(description="what to know before setting it")] | None = None

    @property
    def all(self) -> dict[str, Setting]:
        """The settings that there are, by name."""
        named = {"address": self.address, "baud": self.baud, "frame": self.frame}
        return {name: setting for name, setting in named.items() if setting is not None}


def commissioning_problem(
    identify: list[IdentityCode], settings: Settings | None, forbidden: list[tuple[int, int]]
) -> str | None:
    """What is wrong with the two sections, or None. ``forbidden``: first and last registers that must not be written."""
    for index, code in enumerate(identify):
        if code.type == "u16" and max(code.equals) > 0xFFFF:
            return f"identify[{index}].equals: a code does not fit into u16"
        if code.register + code.width > 0x10000:
            return f"identify[{index}].register: reaches past register 65535"
    for name, setting in ({} if settings is None else settings.all).items():
        last = setting.register + setting.width - 1
        if any(setting.register <= high and last >= low for low, high in forbidden):
            return f"settings.{name}.register: {setting.register} stands in never_write"
        if setting.type == "f32" and setting.write_function == 6:
            return f"settings.{name}.write_function: f32 takes two registers, which function 6 cannot write"
        if (name == "address") != (not setting.codes):
            return f"settings.{name}.codes: " + ("an address has none" if name == "address" else "is missing")
        for code_name in setting.codes:
            if not is_legal_setting(name, code_name):
                return f"settings.{name}.codes: {code_name} is no {name}"
    return None


def is_legal_setting(name: str, value: str) -> bool:
    """Whether ``value`` names a setting: a baud rate, or a frame such as 8E1."""
    if name == "baud":
        return value.isdecimal() and 300 <= int(value) <= 115200
    return len(value) == 3 and value[0] == "8" and value[1] in "NEO" and value[2] in "12"
