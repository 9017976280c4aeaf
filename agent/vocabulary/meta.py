"""How a key of the table is described: unit, range, meaning in both languages, since when.

A key is ``Annotated[<unit type>, say(zh, en)]``. ``msgspec`` reads type and range from it, mypy the type; unit,
meaning and version are carried in the JSON Schema as ``x-unit``, ``x-zh``, ``x-since``.
"""

from typing import Annotated

from msgspec import Meta

FIRST = "0.1.0"
"""The first version in the field."""


def say(zh: str, en: str, since: str = "") -> Meta:
    """Meaning of a key; ``since`` is the version that brought it if that is later than its record's."""
    return Meta(description=en, extra_json_schema={"x-zh": zh, **({"x-since": since} if since else {})})


def _unit(name: str) -> dict[str, str]:
    return {"x-unit": name}


Wh = Annotated[int, Meta(ge=0, extra_json_schema=_unit("Wh"))]
MilliWh = Annotated[int, Meta(ge=0, extra_json_schema=_unit("mWh"))]
W = Annotated[int, Meta(extra_json_schema=_unit("W"))]
DeciV = Annotated[int, Meta(extra_json_schema=_unit("0.1 V"))]
DeciA = Annotated[int, Meta(extra_json_schema=_unit("0.1 A"))]
CentiV = Annotated[int, Meta(extra_json_schema=_unit("0.01 V"))]
DeciC = Annotated[int, Meta(ge=-1000, le=3000, extra_json_schema=_unit("0.1 °C"))]
V = Annotated[float, Meta(ge=0, extra_json_schema=_unit("V"))]
A = Annotated[float, Meta(ge=0, extra_json_schema=_unit("A"))]
C = Annotated[float, Meta(ge=-100, le=300, extra_json_schema=_unit("°C"))]
Ah = Annotated[float, Meta(ge=0, extra_json_schema=_unit("Ah"))]
KWh = Annotated[float, Meta(ge=0, extra_json_schema=_unit("kWh"))]
Kohm = Annotated[int, Meta(ge=0, extra_json_schema=_unit("kΩ"))]
OhmPerV = Annotated[int, Meta(ge=0, extra_json_schema=_unit("Ω/V"))]
Percent = Annotated[int, Meta(ge=0, le=100, extra_json_schema=_unit("%"))]
PercentFloat = Annotated[float, Meta(ge=0, le=100, extra_json_schema=_unit("%"))]
Seconds = Annotated[int, Meta(ge=0, extra_json_schema=_unit("s"))]
Ms = Annotated[int, Meta(ge=0, extra_json_schema=_unit("ms"))]
WallMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999, extra_json_schema=_unit("ms UTC"))]
"""UTC since 1970; up to the year 9999."""
Us = Annotated[int, Meta(ge=0, extra_json_schema=_unit("µs"))]
Minutes = Annotated[int, Meta(ge=-840, le=840, extra_json_schema=_unit("min"))]
MoneyE4 = Annotated[int, Meta(ge=0, extra_json_schema=_unit("0.0001 CNY"))]
PriceE5 = Annotated[int, Meta(ge=0, extra_json_schema=_unit("0.00001 CNY/kWh"))]
Count = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1)]
ConnectorNumber = Annotated[int, Meta(ge=1, le=64)]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")]
Level = Annotated[int, Meta(ge=1, le=3)]
