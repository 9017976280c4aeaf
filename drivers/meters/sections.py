"""The parts that all meter maps have in common, for any protocol."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.text import Language, Text

SCHEMA = 2
"""Version of the format. 1 had hand-written blocks that fields named."""

Confidence = Literal["high", "medium", "low"]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections of a map."""


class MapText(Section, frozen=True, kw_only=True):
    """A sentence for people, in both languages."""

    zh: Annotated[str, Meta(min_length=1, description="Chinese")]
    en: Annotated[str, Meta(min_length=1, description="English")]

    def in_(self, language: Language) -> str:
        """The text for a reader of ``language``."""
        return Text(self.zh, self.en).in_(language)


class SerialDefaults(Section, frozen=True, kw_only=True):
    """How the meter leaves the factory."""

    baud: Annotated[int, Meta(ge=1200, le=115200, description="baud rate")]
    parity: Annotated[Literal["N", "E", "O"], Meta(description="parity: none, even, odd")]
    stop_bits: Annotated[Literal[1, 2], Meta(description="stop bits")]
    address: Annotated[int, Meta(ge=1, le=247, description="address of the device")]
    bauds: Annotated[
        list[Annotated[int, Meta(ge=300, le=115200)]], Meta(description="all rates that can be set; empty: not known")
    ] = msgspec.field(default_factory=list)

    @property
    def bits_per_character(self) -> int:
        """Bits on the wire for one byte, start and stop bits included."""
        return 9 + self.stop_bits + (self.parity != "N")


class Intervals(Section, frozen=True, kw_only=True):
    """How often each group of quantities is read, in poll intervals of the meter."""

    live: Annotated[int, Meta(ge=1, le=3600, description="voltage, current, power")] = 1
    energy: Annotated[int, Meta(ge=1, le=3600, description="energy registers")] = 5
    quality: Annotated[int, Meta(ge=1, le=3600, description="power quality and other slow quantities")] = 10
    ratio: Annotated[int, Meta(ge=1, le=3600, description="ratios of transformers")] = 30


class NeverWrite(Section, frozen=True, kw_only=True):
    """Registers (or an identifier) that do harm when written; no tool ever writes them."""

    first: Annotated[int, Meta(ge=0, le=0xFFFF, description="first register on the wire")]
    last: Annotated[int, Meta(ge=0, le=0xFFFF, description="last register on the wire")]
    why: Annotated[MapText, Meta(description="what a write would do")]


class MeterMap(Section, frozen=True, kw_only=True):
    """What a map states about a model, beside its registers or identifiers.

    ``billing``: its energy register is fit for billing (a whole number). ``energy_unit_disputed``: sources differ on
    the unit of the energy register; it must be proven against the display when commissioning.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA, description="version of this format")]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$", description="name of the file without .toml")]
    kind: Annotated[
        Literal["dc", "ac1", "ac3"],
        Meta(description="dc: at a connector; ac1, ac3: one or three phases, grid side or auxiliary supply"),
    ]
    maker: Annotated[MapText, Meta(description="name of the maker")]
    models: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, description="models it fits")]
    description: Annotated[str, Meta(min_length=1, description="one line about the meter and its registers")]
    description_zh: Annotated[str, Meta(min_length=1, description="the same in Chinese")]
    source: Annotated[str, Meta(min_length=1, description="where the registers come from")]
    confidence: Annotated[Confidence, Meta(description="confidence of the facts, unless a field has its own")]
    billing: Annotated[bool, Meta(description="the energy register is fit for billing")]
    billing_reason: Annotated[MapText, Meta(description="why it is or is not")]
    energy_unit_disputed: Annotated[bool, Meta(description="sources differ on the unit of energy")]
    writable: Annotated[Literal[False], Meta(description="always false: the agent never writes to a meter")]
    never_write: Annotated[list[NeverWrite], Meta(description="what must not be written")] = msgspec.field(
        default_factory=list
    )
    minimum_gap_ms: Annotated[int, Meta(ge=0, le=1000, description="pause that the meter needs between requests")]
    latency_ms: Annotated[int, Meta(ge=10, le=2000, description="longest time until the meter answers")]
    intervals: Annotated[Intervals, Meta(description="how often the groups are read")] = msgspec.field(
        default_factory=Intervals
    )
    wiring: Annotated[list[MapText], Meta(description="how to wire and set it")] = msgspec.field(default_factory=list)
    numbering: Annotated[MapText, Meta(description="how the numbers of the manual relate to the wire")] | None = None
    checks: Annotated[list[MapText], Meta(description="what to prove when commissioning")] = msgspec.field(
        default_factory=list
    )


class Quantity(Section, frozen=True, kw_only=True):
    """What every field or item of a map states, for any protocol."""

    signal: Annotated[str, Meta(min_length=1, description="name under which the value is delivered")]
    unit: Annotated[str, Meta(min_length=1, description="unit of the register, as in the manual")]
    group: Annotated[
        Literal["live", "energy", "quality"], Meta(description="how urgent it is and how often it is read")
    ] = "live"
    channel: Annotated[int, Meta(ge=1, le=4, description="measuring channel of a box with several")] = 1
    rollover: (
        Annotated[
            int, Meta(ge=2, description="raw value at which the counter begins again at 0; by default that of the type")
        ]
        | None
    ) = None
    confidence: Annotated[Confidence, Meta(description="when it differs from that of the map")] | None = None
    disputed: Annotated[MapText, Meta(description="on what the sources differ")] | None = None
