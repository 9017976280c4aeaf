"""DL/T 645 meters from their maps, read over the bus owner."""

from pathlib import Path

import pytest
from line_clock import VirtualLine
from test_dlt645_meter import CHARACTER_S, NUMBER, SimulatedMeter

from drivers.dlt645.mapped import mapped_meter
from drivers.dlt645.values import encode_bcd
from drivers.line.owner import LineOwner
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.register_map import load_map

MAPS = Path(__file__).parents[2] / "config" / "meters"


def identifier_map(name: str) -> IdentifierMap:
    loaded = load_map(MAPS / f"{name}.toml")
    assert isinstance(loaded, IdentifierMap)
    return loaded


def simulated(loaded: IdentifierMap, without: tuple[str, ...] = ()) -> SimulatedMeter:
    """A meter whose items hold 1, 2, 3, ... digits, blocks included."""
    values = {
        item.di: encode_bcd(place, item.bytes, signed=item.signed) for place, item in enumerate(loaded.items, start=1)
    }
    blocks = {block.di: b"".join(values[di] for di in block.items if di not in without) for block in loaded.blocks}
    return SimulatedMeter({int(di, 16): data for di, data in {**values, **blocks}.items()})


def test_the_meter_of_a_charger_gives_the_four_signals_of_the_core() -> None:
    meter = mapped_meter(identifier_map("yada-dcm3366q"), NUMBER, 1.0)
    other_side = SimulatedMeter(
        {
            0x02000200: encode_bcd(750_000, 4, signed=True),
            0x02000100: encode_bcd(-1_250_000, 4, signed=True),
            0x00010000: encode_bcd(1234567, 4),
        }
    )
    line = VirtualLine(LineOwner(9600, 11), [meter], other_side, CHARACTER_S)
    line.run(5.0)
    assert {name: reading.value for _, name, reading in line.readings} == {
        "meter_voltage_v": 750.0,
        "meter_current_a": -125.0,
        "meter_power_w": pytest.approx(-93750.0),
        "meter_energy_wh": 12_345_670,
    }
    power = [reading for _, name, reading in line.readings if name == "meter_power_w"]
    voltage = [reading for _, name, reading in line.readings if name == "meter_voltage_v"]
    assert {reading.at_s for reading in power} <= {reading.at_s for reading in voltage}, (
        "as old as the older of the two"
    )


def test_power_needs_voltage_and_current_of_one_time() -> None:
    meter = mapped_meter(identifier_map("yada-dcm3366q"), NUMBER, 1.0)
    other_side = SimulatedMeter({0x02000200: encode_bcd(750_000, 4), 0x02000100: encode_bcd(100_000, 4)})
    line = VirtualLine(LineOwner(9600, 11), [meter], other_side, CHARACTER_S)
    line.run(3.0)
    other_side.values[0x02000200] = b"\xff" * 4
    line.run(0.9)
    count = sum(1 for _, name, _ in line.readings if name == "meter_power_w")
    assert count >= 3
    line.run(5.0)
    assert sum(1 for _, name, _ in line.readings if name == "meter_power_w") <= count + 1
    other_side.refuse = {0x02000200}
    other_side.values[0x02000200] = encode_bcd(750_000, 4)
    line.run(5.0)
    assert sum(1 for _, name, _ in line.readings if name == "meter_power_w") <= count + 1


def test_all_signals_of_the_standard_are_read() -> None:
    loaded = identifier_map("dlt645-2007-ac")
    meter = mapped_meter(loaded, NUMBER, 5.0)
    line = VirtualLine(LineOwner(9600, 11), [meter], simulated(loaded), CHARACTER_S)
    line.run(120.0)
    assert {name for _, name, _ in line.readings} == {item.signal for item in loaded.items if item.channel == 1}
    assert meter.undecodable == 0


def test_a_block_may_end_early() -> None:
    loaded = identifier_map("dlt645-2007-ac")
    block = max(loaded.blocks, key=lambda block: len(block.items))
    signals = [item.signal for item in map(loaded.item, block.items) if item is not None]
    meter = mapped_meter(loaded, NUMBER, 5.0, signals=signals)
    other_side = simulated(loaded, without=tuple(block.items[-1:]))
    line = VirtualLine(LineOwner(9600, 11), [meter], other_side, CHARACTER_S)
    line.run(120.0)
    assert {name for _, name, _ in line.readings} == set(signals[:-1])
    # Not after an item: the part of one is no value.
    other_side.values[int(block.di, 16)] += b"\x01"
    before = meter.undecodable
    line.run(60.0)
    assert meter.undecodable > before


def test_a_signal_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="does not provide frequency_hz"):
        mapped_meter(identifier_map("yada-dcm3366q"), NUMBER, 1.0, signals=["frequency_hz"])
