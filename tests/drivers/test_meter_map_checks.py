"""What an installer or integrator who writes a map is told."""

from fractions import Fraction
from pathlib import Path

import pytest

from drivers.meters.decode import FieldReader, item_raw, ratio_value, signal_unit
from drivers.meters.identifier_map import Item
from drivers.meters.map_checks import mistakes, modulus_wh
from drivers.meters.modbus_map import Field, Ratio
from drivers.meters.register_map import RegisterMapError, load_map, load_register_map

MAPS = Path(__file__).parents[2] / "config" / "meters"


def changed(tmp_path: Path, name: str, *changes: tuple[str, str]) -> Path:
    text = (MAPS / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(RegisterMapError) as caught:
        load_map(path)
    assert str(path) in str(caught.value)
    found = caught.value.mistakes
    for mistake in found:
        assert mistake.zh
        assert mistake.en
        assert bool(mistake.hint_zh) == bool(mistake.hint_en)
    return [f"{mistake.place}: {mistake.en}; {mistake.hint_en}" for mistake in found]


HARM = 'writable = false\nnever_write = [{ first = 2, last = 1, why = { zh = "x", en = "x" } }]'

ACREL = [
    ("minimum_gap_ms = 20", "minimum_gap_ms = -1", "minimum_gap_ms", ">= 0"),
    ("minimum_gap_ms = 20", "minimum_gap = 20", "minimum_gap", "did you mean minimum_gap_ms?"),
    ("source =", "sauce =", "sauce", "did you mean source?"),
    ("exponent_register = 1,", "exponant_register = 1,", "exponant_register", "did you mean exponent_register?"),
    ("maximum_registers = 20", "maximum_registers = 1", "fields[0].register", "takes 2 registers in one request"),
    ("exponent_register = 3,", "exponent_register = 30,", "fields[1].register", "takes 29 registers in one request"),
    ("exponent_register = 1,", "exponent_register = 0xFF,", "fields[0].register", "takes 256 registers"),
    ("{ first = 0, last = 19 }", "{ first = 5, last = 4 }", "readable[0].last", "is before first"),
    ('register = 12, type = "u32"', 'register = 12, type = "f32"', "fields[3].type", "must not be used for billing"),
    ('register = 12, type = "u32"', 'register = 12, type = "u33"', "fields[3].type", "u33"),
    (
        'register = 12, type = "u32", unit = "Wh"',
        'register = 12, type = "u32", unit = "V"',
        "fields[3].unit",
        "Wh, kWh, MWh, not V",
    ),
    (
        'register = 12, type = "u32", unit = "Wh"',
        'register = 12, type = "u32", unit = "kwh"',
        "fields[3].unit",
        "did you mean kWh?",
    ),
    ("meter_power_w", "meter_powr_w", "fields[2].signal", "did you mean meter_power_w?"),
    ("meter_power_w", "frequency_hz", "fields[2].signal", "is not a signal of a dc meter"),
    (
        'signal = "meter_power_w", register = 8, type = "i16", unit = "W"',
        'signal = "meter_voltage_v", register = 8, type = "i16", unit = "V"',
        "fields[2].signal",
        "is listed twice",
    ),
    ('unit = "degC", scale = 0.1', 'unit = "degC", scale = 0.0', "fields[6].scale", "gives no value"),
    ('unit = "degC", scale = 0.1', 'unit = "degC", scale = inf', "fields[6].scale", "gives no value"),
    ('unit = "degC"', 'unit = "degC", sentinels = [0x10000]', "fields[6].sentinels", "does not fit"),
    ('unit = "degC"', 'unit = "degC", rollover = 1000', "fields[6].rollover", "only an energy counter rolls over"),
    (
        'type = "u32", unit = "Wh"',
        'type = "u32", unit = "Wh", rollover = 0x100000001',
        "fields[3].rollover",
        "does not fit into u32",
    ),
    ('unit = "degC"', 'unit = "degC", ratios = ["ct"]', "fields[6].ratios", "unknown ratio ct"),
    ('unit = "degC"', 'unit = "degC", variant = "new"', "fields[6].variant", "unknown variant new"),
    ('unit = "degC"', 'unit = "degC", channel = 2', "fields[6].channel", "all channels have the same registers"),
    ('group = "energy", disputed', 'group = "energie", disputed', "group", "energie"),
    (
        "maximum_registers = 20",
        "maximum_registers = 20\nfunction_alternatives = [3]",
        "function_alternatives",
        "the usual function already",
    ),
    ("maximum_registers = 20", "maximum_registers = 19\neven = true", "maximum_registers", "must be even"),
    ("channels = 2", "channels = 1", "channels", "several channels"),
    ("writable = false", "writable = true", "writable", "Invalid enum value True"),
    (
        "writable = false",
        'writable = false\nnever_write = [{ first = 2, last = 1, why = { zh = "x", en = "x" } }]',
        "never_write[0].last",
        "is before first",
    ),
    ('id = "acrel-djsf1352-rn"', 'id = "another"', "id", "write acrel-djsf1352-rn"),
    ('protocol = "modbus"', 'protocol = "modbuss"', "protocol", "did you mean modbus?"),
    ('protocol = "modbus"', 'protocol = "profibus-dp"', "protocol", "valid: modbus, dlt645-2007"),
    ('protocol = "modbus"', "protocol = 1", "protocol", "is missing or not a text"),
    ('protocol = "modbus"\n', "", "protocol", "is missing or not a text"),
    ("schema = 2", "schema = 1", "schema", "is an old format, this version reads 2; remove [[blocks]]"),
    ("schema = 2", "schema = 3", "schema", "is newer than the 2 that this version reads; update"),
    ("schema = 2", "schema = 0", "schema", ">= 2"),
    ("schema = 2", "schema = ", "", "not valid TOML"),
]

DTSU = [
    ('name = "old", choice = "energy"', 'name = "new", choice = "energy"', "variants[1].name", "new is listed twice"),
    (
        'name = "old", choice = "energy"',
        'name = "old", choice = "enorgy"',
        "variants[1].choice",
        "did you mean energy?",
    ),
    ('probe = "energy_import_wh"', 'probe = "energy_imprt_wh"', "variants[0].probe", "did you mean energy_import_wh?"),
    ('name = "pt"', 'name = "ct"', "ratios[1].name", "ct is listed twice"),
    ('name = "pt"', 'name = "vt"', "ratios[1].name", "no field uses vt"),
    ('ratios = ["pt"]', 'ratios = ["pct"]', "fields[0].ratios", "did you mean"),
    ("minimum = 0.1, maximum = 999.9", "minimum = 2.0, maximum = 1.0", "ratios[1].maximum", "1 is below minimum, 2"),
    (
        'register = 0x0007, type = "u16"',
        'register = 0xFFFF, type = "u32"',
        "ratios[1].register",
        "exceeds register 65535",
    ),
    ('register = 0x2044, type = "f32"', 'register = 0xFFFF, type = "f32"', ".register", "exceeds register 65535"),
    (
        'group = "energy", ratios = ["ct", "pt"], variant = "old"',
        'group = "energy", ratios = ["ct", "pt"], variant = "new"',
        "fields",
        "is listed twice",
    ),
    (
        'name = "ct", register = 0x0006',
        'name = "ct", same_request = true, register = 0x0006',
        "fields",
        "takes 8202 registers",
    ),
    ('variant = "old", disputed', "disputed", ".signal", "energy_import_wh is listed twice"),
]

YADA = [
    ('di = "02000200"', 'di = "02000100"', "items[1].di", "02000100 is listed twice"),
    ('di = "02000200"', 'di = "2000200"', "items[0].di", ""),
    ("meter_energy_t1_wh", "meter_energy_t2_wh", "items[4].signal", "is listed twice"),
    ("computed_power = true", "computed_power = false", "items", "meter_power_w is missing; a DC meter must provide"),
    (
        'decimals = 2, unit = "kWh", group = "energy"',
        'decimals = 2, unit = "kWh", rollover = 0x100000001',
        "items[2].rollover",
        "does not fit into 4 bytes",
    ),
    ("minimum_gap_ms = 100", "minimum_gap_m = 100", "minimum_gap_m", "did you mean minimum_gap_ms?"),
    ("preamble = 4", "preambel = 4", "preambel", "did you mean preamble?"),
    (
        "energy_unit_disputed = false",
        "energy_unit_disputed = true",
        "energy_unit_disputed",
        "on which the sources differ",
    ),
]

DLT = [
    ('di = "0201FF00"', 'di = "02010100"', "blocks[0].di", "is listed twice"),
    ('di = "0202FF00"', 'di = "0201FF00"', "blocks[1].di", "is listed twice"),
    (
        'items = ["02010100"',
        'items = ["02010109"',
        "blocks[0].items",
        "unknown item 02010109; did you mean 02010100?",
    ),
    ('items = ["02020100"', 'items = ["02010100"', "blocks[1].items", "is in the block 0201FF00 already"),
    ('"energy_import_wh"', '"energy_import_t9_wh"', "items", "is not a signal"),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "place", "what"),
    [
        *(("acrel-djsf1352-rn", *case) for case in ACREL),
        *(("chint-dtsu666", *case) for case in DTSU),
        *(("yada-dcm3366q", *case) for case in YADA),
        *(("dlt645-2007-ac", *case) for case in DLT),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(
    tmp_path: Path, name: str, old: str, new: str, place: str, what: str
) -> None:
    path = changed(tmp_path, name, (old, new))
    lines = told(path)
    assert any(place in line and what in line for line in lines), lines


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "acrel-djsf1352-rn",
        ("meter_voltage_v", "meter_voltag_v"),
        ("meter_current_a", "meter_curent_a"),
        ('unit = "degC", scale = 0.1', 'unit = "degC", scale = 0.0'),
    )
    lines = told(path)
    for part in (
        "fields[0].signal",
        "fields[1].signal",
        "fields[6].scale",
        "meter_current_a, meter_voltage_v is missing",
    ):
        assert any(part in line for line in lines), lines


def test_an_ac_meter_has_energy_and_no_signals_of_a_connector(tmp_path: Path) -> None:
    path = changed(tmp_path, "acrel-adw300", ('"energy_import_wh"', '"meter_energy_wh"'))
    lines = told(path)
    assert any("fields: energy_import_wh is missing" in line for line in lines)
    assert any("meter_energy_wh is not a signal of a ac3 meter" in line for line in lines)


def test_registers_between_mantissa_and_exponent_must_be_known(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "acrel-djsf1352-rn",
        # What another function code reads is no help.
        ("readable = [{ first = 0, last = 19 }]", "readable = [{ first = 0, last = 19, function = 4 }]"),
        ("exponent_register = 1,", "exponent_register = 11,"),
        ("register = 5,", "register = 5, function = 4,"),
    )
    [line] = told(path)
    assert "fields[0].register: reads through register 1 (0x0001), which is not listed as readable" in line


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RegisterMapError, match="cannot be read"):
        load_map(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(RegisterMapError, match="not valid TOML"):
        load_map(binary)


def test_fields_take_function_and_word_order_of_the_map() -> None:
    gavazzi = load_register_map(MAPS / "carlo-gavazzi-em24.toml")
    assert {(field.function, field.word_order) for field in gavazzi.fields} == {(4, "low_first")}
    chint = load_register_map(MAPS / "chint-dtsu666.toml")
    assert {(ratio.function, ratio.word_order) for ratio in chint.ratios} == {(3, "high_first")}
    assert mistakes(gavazzi) == []


def field(**keys: object) -> Field:
    return Field(**{"signal": "meter_energy_wh", "register": 0, "type": "u32", "unit": "Wh", **keys})  # type: ignore[arg-type]


class TestValues:
    @pytest.mark.parametrize(
        ("kind", "words", "value"),
        [
            ("u16", (0xFFFF,), 65535),
            ("i16", (0xFFFF,), -1),
            ("u32", (0x0001, 0x0000), 65536),
            ("i32", (0xFFFF, 0xFFFE), -2),
            ("u64", (0, 1, 0, 0), 1 << 32),
            ("i64", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), -1),
            ("f32", (0x447A, 0x0000), 1000),
            ("bcd16", (0x1234,), 1234),
            ("bcd32", (0x1234, 0x5678), 12345678),
        ],
    )
    def test_types_in_both_word_orders(self, kind: str, words: tuple[int, ...], value: int) -> None:
        assert FieldReader(field(type=kind)).value(0, words, {}) == value
        assert FieldReader(field(type=kind, word_order="low_first")).value(0, words[::-1], {}) == value

    @pytest.mark.parametrize("words", [(0x123A, 0), (0xFFFF, 0xFFFF)])
    def test_a_bcd_digit_above_nine_is_no_value(self, words: tuple[int, ...]) -> None:
        assert FieldReader(field(type="bcd32")).value(0, words, {}) is None

    @pytest.mark.parametrize(
        ("words", "there"), [((0x7F80, 0), False), ((0x7FC0, 0), False), ((0xFF80, 0), False), ((0, 0), True)]
    )
    def test_a_float_that_is_no_number_is_no_value(self, words: tuple[int, ...], there: bool) -> None:
        assert (FieldReader(field(type="f32")).value(0, words, {}) is not None) == there

    @pytest.mark.parametrize(
        ("keys", "pattern", "there"),
        [
            ({"sentinels": [0xFFFF0000]}, 0xFFFF0000, False),
            ({"sentinels": [0xFFFF0000]}, 0xFFFF0001, True),
            ({"missing": ["all_ones"]}, 0xFFFFFFFF, False),
            ({"missing": ["all_ones"]}, 0xFFFFFFFE, True),
            ({"missing": ["highest"]}, 0x7FFFFFFF, False),
            ({"missing": ["highest"]}, 0x7FFFFFFE, True),
            ({"missing": ["lowest"]}, 0x80000000, False),
            ({"missing": ["lowest"]}, 0x80000001, True),
        ],
    )
    def test_patterns_that_say_no_value(self, keys: dict[str, object], pattern: int, there: bool) -> None:
        words = (pattern >> 16, pattern & 0xFFFF)
        assert (FieldReader(field(**keys)).value(0, words, {}) is not None) == there

    def test_sign_scale_unit_and_ratio(self) -> None:
        power = field(signal="meter_power_w", type="i16", unit="kW", scale=0.001, sign=-1, ratios=["ct"])
        reader = FieldReader(power)
        assert reader.value(0, (1500,), {"ct": Fraction(40)}) == -60000.0
        assert reader.value(0, (1500,), {}) is None
        assert reader.unit == "W"

    @pytest.mark.parametrize(("exponent", "value"), [(0, 0.123), (3, 123.0), (6, 123000.0), (7, None), (0xFFFF, None)])
    def test_the_exponent_at_and_beyond_its_largest_value(self, exponent: int, value: float | None) -> None:
        voltage = field(
            signal="meter_voltage_v", type="u16", unit="V", exponent_register=1, exponent_bias=-3, exponent_maximum=6
        )
        assert FieldReader(voltage).value(0, (123, exponent), {}) == value

    def test_energy_is_exact_and_rounded_down(self) -> None:
        reader = FieldReader(field(type="u64", unit="kWh", scale=0.01))
        assert reader.value(0, (0, 0, 0, 3), {}) == 30
        # 2 to the power of 60 and one digit more: a float would lose it.
        assert reader.value(0, (0x1000, 0, 0, 1), {}) == ((1 << 60) + 1) * 10
        assert FieldReader(field(scale=0.1)).value(0, (0, 19), {}) == 1

    def test_the_unit_of_every_signal(self) -> None:
        assert (signal_unit("meter_power_w"), signal_unit("frequency_hz")) == ("W", "Hz")
        with pytest.raises(KeyError):
            signal_unit("frequenzy_hz")

    @pytest.mark.parametrize(
        ("words", "value"),
        [
            ((0x3F80, 0), 1),
            ((0x3F7F, 0xFFFF), None),
            ((0x7FC0, 0), None),
            ((0x461C, 0x4000), 10000),
            ((0x461C, 0x4400), None),
        ],
    )
    def test_a_ratio_at_and_beyond_its_limits(self, words: tuple[int, ...], value: int | None) -> None:
        assert ratio_value(Ratio(name="ct", register=0, type="f32"), 0, words) == value

    def test_where_a_counter_begins_again(self) -> None:
        maps = {name: load_map(MAPS / f"{name}.toml") for name in ("acrel-djsf1352-rn", "yada-dcm3366q")}
        acrel, yada = maps.values()
        assert modulus_wh(acrel, field()) == 1 << 32
        assert modulus_wh(acrel, field(unit="kWh", scale=0.01)) == (1 << 32) * 10
        assert modulus_wh(acrel, field(type="bcd32", unit="kWh", scale=0.01)) == 10**9
        assert modulus_wh(acrel, field(type="i32")) is None
        assert modulus_wh(acrel, field(type="i32", rollover=10**8)) == 10**8
        assert modulus_wh(acrel, field(signal="meter_power_w", unit="W")) is None
        # BCD of eight digits: 999999.99 kWh.
        item = yada.item("00010000") if hasattr(yada, "item") else None
        assert isinstance(item, Item)
        assert modulus_wh(yada, item) == 10**9

    def test_binary_items_of_single_makers(self) -> None:
        item = Item(signal="meter_energy_wh", unit="kWh", di="00D10000", bytes=4, decimals=3, encoding="binary")
        assert item_raw(item, bytes.fromhex("01000100")) == 65537
        assert item.modulus == 1 << 32
        assert (
            Item(signal="meter_energy_wh", unit="kWh", di="00D10000", bytes=4, decimals=3, rollover=500).modulus == 500
        )
        signed = Item(
            signal="meter_power_w", unit="W", di="00D20000", bytes=2, decimals=0, encoding="binary", signed=True
        )
        assert item_raw(signed, bytes.fromhex("FEFF")) == -2
        assert item_raw(signed, bytes.fromhex("FFFF")) is None
        assert item_raw(item, bytes.fromhex("FFFFFFFF")) is None
