"""Every shipped map: loaded, planned, and read back from register images that were computed by hand."""

import math
from pathlib import Path

import msgspec
import pytest
from meter_images import Image, close, poll_for

from drivers.meters.decode import block_values, item_value
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.meter import Meter
from drivers.meters.modbus_map import Field, RegisterMap
from drivers.meters.planner import Need, Read, Wire, alone, cost_us
from drivers.meters.read_plan import (
    ReadPlan,
    limits_of,
    members_of,
    plan_items,
    plan_reads,
    select,
    split_items,
    wire_of,
)
from drivers.meters.register_map import AnyMap, load_map, load_register_map
from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS, SIGNAL_UNITS

MAPS = Path(__file__).parents[2] / "config" / "meters"
PATHS = sorted(MAPS.glob("*.toml"))
ALL: dict[str, AnyMap] = {path.stem: load_map(path) for path in PATHS}
MODBUS = {name: entry for name, entry in ALL.items() if isinstance(entry, RegisterMap)}
IDENTIFIERS = {name: entry for name, entry in ALL.items() if isinstance(entry, IdentifierMap)}

# What issue and reference name; each must be there.
WANTED = {
    "acrel-djsf1352-rn",
    "eastron-dcm230",
    "enlyta-djsf2669d",
    "acrel-adl400",
    "acrel-adw300",
    "chint-dtsu666",
    "chint-ddsu666",
    "eastron-sdm630",
    "eastron-sdm72d-m-2",
    "eastron-sdm120",
    "eastron-sdm230",
    "schneider-iem3155",
    "abb-b23",
    "carlo-gavazzi-em24",
    "carlo-gavazzi-em340",
    "inepro-pro380",
    "yada-dcm3366q",
    "dlt645-2007-ac",
}


def first_variants(register_map: RegisterMap) -> list[str]:
    chosen: dict[str, str] = {}
    for variant in register_map.variants:
        chosen.setdefault(variant.choice, variant.name)
    return list(chosen.values())


def whole_plan(register_map: RegisterMap, channel: int = 1) -> ReadPlan:
    return plan_reads(register_map, channel=channel, variants=first_variants(register_map))


def test_the_maps_of_all_meters_are_shipped() -> None:
    assert set(ALL) >= WANTED


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_map_says_where_it_comes_from_and_never_permits_to_write(path: Path) -> None:
    meter_map = ALL[path.stem]
    assert path.read_text(encoding="utf-8").startswith("#:schema ../schemas/meter-map.schema.json\n")
    assert meter_map.source
    assert meter_map.writable is False
    assert not meter_map.energy_unit_disputed or meter_map.checks
    names = DC_SIGNALS if meter_map.kind == "dc" else AC_SIGNALS
    quantities = meter_map.fields if isinstance(meter_map, RegisterMap) else meter_map.items
    assert {quantity.signal for quantity in quantities} <= names.keys()


def test_the_register_that_clears_energy_is_named() -> None:
    spans = [(entry.first, entry.last) for entry in ALL["enlyta-djsf2669d"].never_write]
    assert any(first <= 0xB000 <= last for first, last in spans)


@pytest.mark.parametrize("name", MODBUS)
class TestPlans:
    def test_every_field_is_read_exactly_once(self, name: str) -> None:
        register_map = MODBUS[name]
        channels = range(1, 1 + (1 if register_map.channel_address_step else register_map.channels))
        for channel in channels:
            plan = whole_plan(register_map, channel)
            read = [(field.signal, field.variant) for each in plan.reads for field in plan.fields(each)]
            wanted = select(register_map, channel=channel, variants=first_variants(register_map))
            assert sorted(read) == sorted((field.signal, field.variant) for field in wanted)
            for each in plan.reads:
                assert each.count <= register_map.maximum_registers
                for field in plan.fields(each):
                    registers = {field.register, field.last, field.exponent_register or field.register}
                    assert registers <= set(range(each.start, each.start + each.count))
                    assert each.function == field.function

    def test_the_plan_is_no_slower_than_one_request_a_field(self, name: str) -> None:
        register_map = MODBUS[name]
        wire = wire_of(register_map)
        members = members_of(register_map, select(register_map, variants=first_variants(register_map)))
        one_each = [alone(each.need, limits_of(register_map)) for each in members]
        assert cost_us(whole_plan(register_map).reads, wire) <= cost_us(one_each, wire)
        assert len(whole_plan(register_map).reads) < len(one_each)


# Blocks as people have written them for these meters: (start, count, every), for the same signals as the map's.
HAND_WRITTEN = {
    "acrel-djsf1352-rn": [(0, 20, 1)],
    "eastron-dcm230": [(0x4000, 20, 1), (0x130C, 16, 10)],
    "enlyta-djsf2669d": [(0x203C, 10, 1), (0x9A00, 20, 5), (0x9A14, 2, 5)],
    "chint-ddsu666": [(0x2000, 8, 1), (0x200A, 2, 10), (0x200E, 2, 10), (0x4000, 2, 5), (0x400A, 2, 5)],
    "eastron-sdm120": [(0x00, 14, 1), (0x12, 20, 10), (0x46, 10, 5), (0x54, 4, 10), (0x156, 4, 5)],
    "eastron-sdm630": [
        (0x00, 76, 1),
        (0x4C, 4, 5),
        (0x54, 4, 10),
        (0xC8, 26, 10),
        (0xEA, 12, 10),
        (0xF8, 4, 10),
        (0x156, 4, 5),
    ],
    "abb-b23": [
        (0x5000, 8, 5),
        (0x5460, 24, 5),
        (0x5B00, 6, 1),
        (0x5B0C, 6, 1),
        (0x5B14, 8, 1),
        (0x5B2C, 1, 10),
        (0x5B3A, 4, 10),
    ],
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_the_plan_is_no_slower_than_blocks_written_by_hand(name: str) -> None:
    register_map = MODBUS[name]
    wire = wire_of(register_map)
    plan = whole_plan(register_map)
    blocks = [Read(register_map.function, *block, 2, ()) for block in HAND_WRITTEN[name]]
    for each in plan.members.values():
        assert any(
            block.start <= each.need.first
            and each.need.last < block.start + block.count
            and block.every <= each.need.every
            for block in blocks
        ), f"the blocks leave out {each.need.key}"
    assert cost_us(plan.reads, wire) <= cost_us(blocks, wire)


def image_of(fields: list[Field], worth: dict[str, float], image: Image) -> None:
    """Put values into registers by rules of their own: raw = value / digit, packed as the type says."""
    layouts = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f"}
    for field in fields:
        raw = worth[field.signal]
        layout = layouts[field.type]
        image.put_packed(
            field.register, layout, raw if layout == "f" else int(raw), low_first=field.word_order == "low_first"
        )


@pytest.mark.parametrize("name", MODBUS)
def test_every_field_comes_back_from_a_meter_that_refuses_all_other_registers(name: str) -> None:
    register_map = MODBUS[name]
    fields = select(register_map, variants=first_variants(register_map))
    image = Image(functions=[register_map.function], most=register_map.maximum_registers)
    for span in register_map.readable:
        image.put(span.first, *[0] * (span.last - span.first + 1))
    for index in range(0x10000 if register_map.even else 0):
        # Eastron's registers come in pairs; the partner of a single one is there.
        if any(field.last | 1 == index for field in fields):
            image.put(index, 0)
    image_of(fields, {field.signal: 100 + number for number, field in enumerate(fields)}, image)
    for ratio in register_map.ratios:
        image.put(ratio.register, round(2 / ratio.scale))
    for field in fields:
        if field.exponent_register is not None:
            image.put(field.exponent_register, 3)
    meter = Meter(register_map, 7, 1.0, signals=register_map.signals())
    readings = poll_for(meter, image, 4)
    assert set(readings) == {field.signal for field in fields}
    factors = {"kW": 1000, "kvar": 1000, "kVA": 1000, "kWh": 1000, "kvarh": 1000}
    for number, field in enumerate(fields):
        digit = field.scale * factors.get(field.unit, 1) * 2 ** len(field.ratios)
        worth = (100 + number) * digit
        worth = math.floor(worth + 1e-9) if field.signal.endswith(("_wh", "_varh")) else worth
        assert close(readings[field.signal].value, worth), field.signal
        assert readings[field.signal].unit == {**DC_SIGNALS, **AC_SIGNALS}[field.signal]
    assert all(request.address == 7 for request in image.asked)


class TestImagesByHand:
    """One captured or hand-computed image for each family."""

    def test_acrel_djsf1352(self) -> None:
        # Captured: 0000 0003 0000 0002 0000 014D = 0 V, 0 A, 33.3 degrees.
        image = Image().put(0, 0x0000, 0x0003, 0x0000, 0x0002, 0x0000, 0x014D, *[0] * 14)
        meter = Meter(MODBUS["acrel-djsf1352-rn"], 1, 1.0, signals=MODBUS["acrel-djsf1352-rn"].signals())
        readings = poll_for(meter, image, 1)
        assert len(image.asked) == 1
        assert readings["meter_voltage_v"].value == 0.0
        assert readings["meter_current_a"].value == 0.0
        assert readings["meter_temperature_c"].value == 33.3

    def test_eastron_dcm230(self) -> None:
        # 750.0 V = 443B 8000, 200.5 A = 4348 8000, 150375 W = 4812 D9C0, 1234.5 kWh = 449A 5000.
        image = Image(functions=[4]).put(0x4000, 0x443B, 0x8000, 0x4348, 0x8000, 0x4812, 0xD9C0, 0x449A, 0x5000)
        readings = poll_for(Meter(MODBUS["eastron-dcm230"], 1, 1.0), image, 1)
        assert {name: reading.value for name, reading in readings.items()} == {
            "meter_voltage_v": 750.0,
            "meter_current_a": 200.5,
            "meter_power_w": 150375.0,
            "meter_energy_wh": 1_234_500,
        }

    def test_enlyta_two_guns(self) -> None:
        # 7500000 = 0072 70E0 is 750 V; 2005000 = 001E 9808 is 200.5 A; 1503750 = 0016 F206 is 150.375 kW.
        image = Image().put(
            0x203C, 0x0072, 0x70E0, 0x003D, 0x0900, 0x001E, 0x9808, 0xFFFF, 0xD8F0, 0x0016, 0xF206, 0, 1
        )
        image.put(0x9A0A, 0x0001, 0x86A0)
        enlyta = MODBUS["enlyta-djsf2669d"]
        one = poll_for(Meter(enlyta, 1, 1.0), image, 1)
        assert {name: reading.value for name, reading in one.items()} == {
            "meter_voltage_v": 750.0,
            "meter_current_a": 200.5,
            "meter_power_w": 150375.0,
            "meter_energy_wh": 10_000,
        }
        measured = ("meter_voltage_v", "meter_current_a", "meter_power_w")
        two = poll_for(Meter(enlyta, 1, 1.0, channel=2, signals=measured), image, 1)
        # 4000000 = 003D 0900 is 400 V, FFFF D8F0 = -10000 is -1 A, 1 digit is 0.1 W.
        assert [two[name].value for name in measured] == [400.0, -1.0, 0.1]
        with pytest.raises(ValueError, match="meter_energy_wh on channel 2"):
            Meter(enlyta, 1, 1.0, channel=2)

    def test_carlo_gavazzi_low_word_first(self) -> None:
        # CDAB: 2301 = 08FD 0000 is 230.1 V; -1234 = FB2E FFFF is -123.4 W; 100000 = 86A0 0001 is 10000 kWh.
        image = Image(functions=[4]).put(0x00, 0x08FD, 0x0000).put(0x28, 0xFB2E, 0xFFFF)
        signals = ("voltage_l1_v", "active_power_w", "energy_import_wh")
        image.put(0x42, 0x86A0, 0x0001)
        readings = poll_for(Meter(MODBUS["carlo-gavazzi-em24"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [230.1, -123.4, 10_000_000]
        image = Image(functions=[4]).put(0x00, 0x08FD, 0x0000).put(0x28, 0xFB2E, 0xFFFF).put(0x34, 0x86A0, 0x0001)
        readings = poll_for(Meter(MODBUS["carlo-gavazzi-em340"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [230.1, -123.4, 10_000_000]

    def test_abb_all_ones_is_no_value(self) -> None:
        signals = ("voltage_l1_v", "current_l1_a", "active_power_w", "power_factor", "energy_import_wh")
        image = Image().put(0x5000, 0, 0, 0x0001, 0x86A0).put(0x5B00, 0x0000, 0x08FD).put(0x5B0C, 0, 1234)
        image.put(0x5B14, 0xFFFF, 0xFB2E).put(0x5B3A, 0xFC18)
        readings = poll_for(Meter(MODBUS["abb-b23"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [230.1, 12.34, -12.34, -1.0, 1_000_000]
        image.put(0x5000, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF).put(0x5B00, 0xFFFF, 0xFFFF, *[0] * 4).put(
            0x5B14, 0x7FFF, 0xFFFF
        )
        image.put(0x5B3A, 0x7FFF)
        readings = poll_for(Meter(MODBUS["abb-b23"], 1, 1.0, signals=signals), image, 1, 100.0)
        assert set(readings) == {"current_l1_a"}

    def test_schneider_wire_address_and_64_bit_energy(self) -> None:
        # The manual's 3060 (total power) is 0x0BF3 on the wire: 12.5 kW = 4148 0000. 5000000000 Wh = 1 2A05 F200.
        image = Image().put(0x0BF3, 0x4148, 0x0000).put(0x0C83, 0, 1, 0x2A05, 0xF200)
        signals = ("active_power_w", "energy_import_wh")
        meter = Meter(MODBUS["schneider-iem3155"], 1, 1.0, signals=signals)
        readings = poll_for(meter, image, 1)
        assert [readings[name].value for name in signals] == [12500.0, 5_000_000_000]
        image.put(0x0C83, 0x8000, 0, 0, 0)
        assert "energy_import_wh" not in poll_for(meter, image, 6, 100.0)

    def test_eastron_sdm630_thd_is_of_the_voltage_at_ea(self) -> None:
        image = Image(functions=[4]).put(0xEA, 0x4020, 0, 0x4040, 0, 0x4060, 0, 0x4120, 0, 0x4130, 0, 0x4140, 0)
        signals = [f"thd_{what}_{phase}_percent" for what in ("voltage", "current") for phase in ("l1", "l2", "l3")]
        readings = poll_for(Meter(MODBUS["eastron-sdm630"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [2.5, 3.0, 3.5, 10.0, 11.0, 12.0]

    def test_chint_ddsu666_is_in_kilowatt(self) -> None:
        image = Image().put(0x2000, 0x4366, 0x8000, 0x40A0, 0, 0x3F93, 0x3333).put(0x4000, 0x42F6, 0xE979)
        signals = ("voltage_l1_v", "current_l1_a", "active_power_w", "energy_import_wh")
        readings = poll_for(Meter(MODBUS["chint-ddsu666"], 1, 1.0, signals=signals), image, 1)
        assert readings["voltage_l1_v"].value == 230.5
        assert readings["current_l1_a"].value == 5.0
        assert close(readings["active_power_w"].value, 1150.0)
        assert readings["energy_import_wh"].value == 123_456

    def test_acrel_adw300(self) -> None:
        image = Image().put(20, 2301).put(36, 0xFFFF, 0xFFFE).put(62, 0x0001, 0x86A0)
        signals = ("voltage_l1_v", "active_power_w", "energy_import_wh")
        readings = poll_for(Meter(MODBUS["acrel-adw300"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [230.1, -2.0, 1_000_000]

    def test_inepro(self) -> None:
        image = Image().put(0x5002, 0x4366, 0x8000).put(0x5012, 0xBFC0, 0).put(0x600C, 0x447A, 0x0000)
        signals = ("voltage_l1_v", "active_power_w", "energy_import_wh")
        readings = poll_for(Meter(MODBUS["inepro-pro380"], 1, 1.0, signals=signals), image, 1)
        assert [readings[name].value for name in signals] == [230.5, -1500.0, 1_000_000]


class TestIdentifiers:
    """DL/T 645-2007: vectors of the reference, 33H already taken off."""

    AC = IDENTIFIERS["dlt645-2007-ac"]
    YADA = IDENTIFIERS["yada-dcm3366q"]

    @pytest.mark.parametrize(
        ("name", "di", "data", "value"),
        [
            # 59 33 33 33 on the wire is 26 00 00 00: 0.26 kWh. 34 43 is 01 10: 100.1 V.
            ("dlt645-2007-ac", "00010000", "26000000", 260),
            ("dlt645-2007-ac", "02010100", "0110", 100.1),
            ("dlt645-2007-ac", "02020100", "563412", 123.456),
            ("dlt645-2007-ac", "02020100", "563492", -123.456),
            ("dlt645-2007-ac", "02030000", "563492", -12345.6),
            ("dlt645-2007-ac", "02060000", "0090", -1.0),
            ("dlt645-2007-ac", "02080100", "3402", 2.34),
            ("dlt645-2007-ac", "02800002", "0150", 50.01),
            # The top bit of 99 is the sign: 19 99 99 99 remain.
            ("dlt645-2007-ac", "00000000", "99999999", -199_999_990),
            ("yada-dcm3366q", "02000100", "00502500", 25.5),
            ("yada-dcm3366q", "02000100", "00502580", -25.5),
            ("yada-dcm3366q", "02000200", "00007500", 750.0),
            ("yada-dcm3366q", "00010000", "99999999", 999_999_990),
            ("yada-dcm3366q", "00010000", "FFFFFFFF", None),
            ("dlt645-2007-ac", "02010100", "FFFF", None),
            ("dlt645-2007-ac", "02020100", "FFFFFF", None),
        ],
    )
    def test_vectors(self, name: str, di: str, data: str, value: float | None) -> None:
        item = IDENTIFIERS[name].item(di)
        assert item is not None
        assert item_value(item, bytes.fromhex(data)) == value

    def test_a_wrong_length_is_no_value_but_an_error(self) -> None:
        item = self.AC.item("02010100")
        assert item is not None
        with pytest.raises(ValueError, match="3 bytes instead of 2"):
            item_value(item, b"\x01\x10\x00")

    def test_a_block_costs_less_than_its_items(self) -> None:
        reads = plan_items(self.AC, ["voltage_l1_v", "voltage_l2_v", "voltage_l3_v"])
        assert [(read.di, len(read.items), read.every) for read in reads] == [("0201FF00", 3, 1)]
        assert [part.di for part in split_items(self.AC, reads[0])] == ["02010100", "02010200", "02010300"]
        assert [read.di for read in plan_items(self.AC, ["voltage_l2_v"])] == ["02010200"]

    def test_every_item_is_read_exactly_once(self) -> None:
        for identifier_map in IDENTIFIERS.values():
            read = [signal for each in plan_items(identifier_map) for signal in each.signals]
            assert sorted(read) == sorted(item.signal for item in identifier_map.items)

    def test_a_block_reply_is_cut_into_its_items(self) -> None:
        [read] = plan_items(self.AC, ["energy_import_wh", "energy_import_t1_wh", "energy_import_t2_wh"])
        assert read.di == "0001FF00"
        assert read.data_bytes == 20
        data = bytes.fromhex("2600000010000000160000000000000000000000")
        values = {item.signal: item_value(item, part) for item, part in block_values(read.items, data)}
        assert values["energy_import_wh"] == 260
        assert values["energy_import_t2_wh"] == 160
        # A meter with two tariffs sends a shorter block.
        assert len(block_values(read.items, data[:12])) == 3
        for length, what in ((11, "ends within 00010200"), (21, "1 bytes more")):
            with pytest.raises(ValueError, match=what):
                block_values(read.items, bytes(length))

    def test_bytes_and_time_on_the_wire(self) -> None:
        # 4 FE and 16 bytes of request; 4 FE, 16 bytes and 2 of value: 42 characters of 11 bits at 2400 baud.
        [read] = plan_items(self.AC, ["voltage_l2_v"])
        wire = wire_of(self.AC)
        assert read.wire_bytes(4) == 42
        assert read.time_us(wire, 4) == 192_500 + 30_000 + 50_000

    def test_a_block_that_costs_more_is_not_used(self) -> None:
        # Eight more values with every poll cost more than one request with every tenth.
        slow = [
            msgspec.structs.replace(item, group="live" if item.di == "00010000" else "quality")
            for item in self.AC.items
        ]
        mixed = msgspec.structs.replace(self.AC, items=slow)
        wire = Wire(9600, 11, 0.0, 0.0)
        wanted = ["energy_import_wh", "energy_import_t1_wh"]
        reads = plan_items(mixed, wanted, wire=wire)
        assert [(read.di, read.every) for read in reads] == [("00010000", 1), ("00010100", 10)]
        assert [read.di for read in plan_items(self.AC, wanted, wire=wire)] == ["0001FF00"]


def test_a_map_of_another_protocol_is_no_modbus_map(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="read over dlt645-2007, not over Modbus"):
        load_register_map(MAPS / "yada-dcm3366q.toml")


def test_a_dc_meter_delivers_what_the_charging_core_needs() -> None:
    for name, register_map in MODBUS.items():
        if register_map.kind == "dc":
            assert set(SIGNAL_UNITS) <= set(register_map.signals()), name


def test_needs_that_are_kept_together() -> None:
    acrel = MODBUS["acrel-djsf1352-rn"]
    [voltage] = members_of(acrel, select(acrel, ["meter_voltage_v"]))
    assert voltage.need == Need("meter_voltage_v.", 3, 0, 1, 1, 2)
