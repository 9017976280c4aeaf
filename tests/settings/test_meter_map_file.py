"""A wrong meter map: every mistake with place and nearest legal name, in both languages; and what fits a connector."""

from pathlib import Path

import pytest

from agent.settings.load import SettingsError, load_settings
from agent.settings.meter_map import load_meter_map
from drivers.meters.register_map import RegisterMapError, load_map
from drivers.text import Language

ROOT = Path(__file__).parents[2]
MAPS = ROOT / "config" / "meters"


def told(folder: Path, name: str, *changes: tuple[str, str], language: Language = "en") -> list[str]:
    text = (MAPS / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load_meter_map(path)
    except SettingsError as error:
        # What this accepts and what the service accepts must be the same.
        with pytest.raises(RegisterMapError):
            load_map(path)
        return [problem.line(language) for problem in error.problems]
    load_map(path)
    return []


@pytest.mark.parametrize("path", sorted(MAPS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_maps_are_right(path: Path) -> None:
    assert load_meter_map(path) == load_map(path)


# One row a mistake: which map, what is replaced by what, what it must say.
MISTAKES = [
    (
        "acrel-djsf1352-rn",
        "maximum_registers",
        "maximum_register",
        "maximum_register: there is no such key; did you mean maximum_registers?",
    ),
    (
        "acrel-djsf1352-rn",
        "maximum_registers = 20",
        "maximum_registers = 126",
        "maximum_registers: must be from 1 to 125, is 126",
    ),
    ("acrel-djsf1352-rn", 'kind = "dc"', 'kind = "ac"', 'kind: must be one of "ac1", "ac3", "dc", is "ac"'),
    ("acrel-djsf1352-rn", "writable = false", "writable = true", "writable: must be false, is true"),
    ("acrel-djsf1352-rn", 'id = "acrel-djsf1352-rn"', 'id = "Acrel"', "id: must be 1 to 32 lower-case letters, digits"),
    (
        "acrel-djsf1352-rn",
        'id = "acrel-djsf1352-rn"',
        'id = "acrel"',
        "id: acrel differs from the file name; write acrel-djsf1352-rn",
    ),
    ("acrel-djsf1352-rn", "register = 12,", 'register = "12",', "fields[3].register: must be a whole number"),
    (
        "acrel-djsf1352-rn",
        "register = 12,",
        "registre = 12,",
        "fields[3].registre: there is no such key; did you mean register?",
    ),
    (
        "acrel-djsf1352-rn",
        "exponent_register = 1,",
        "exponent_registr = 1,",
        "fields[0].exponent_registr: there is no such key; did you mean exponent_register?",
    ),
    (
        "acrel-djsf1352-rn",
        "meter_power_w",
        "meter_power_kw",
        "fields[2].signal: meter_power_kw is not a signal of a dc meter; did you mean meter_power_w?",
    ),
    (
        "acrel-djsf1352-rn",
        "schema = 2",
        "schema = 1",
        "schema: 1 is an old format, this version reads 2; remove [[blocks]]",
    ),
    ("acrel-djsf1352-rn", "schema = 2", "schema = 9", "schema: 9 is newer than the 2"),
    (
        "acrel-djsf1352-rn",
        'protocol = "modbus"',
        'protocol = "modbux"',
        "protocol: unknown protocol modbux; did you mean modbus?",
    ),
    ("chint-dtsu666", 'name = "ct"', 'name = "CT"', "ratios[0].name: must be 1 to 16 lower-case letters"),
    ("yada-dcm3366q", 'di = "02000200"', 'di = "0200020"', "items[0].di: must be eight hexadecimal digits"),
    (
        "yada-dcm3366q",
        "preamble = 4",
        'preamble = 4, number = "12"',
        "serial.number: must be twelve digits, or twelve times A",
    ),
    (
        "abb-b23",
        'missing = ["all_ones"]',
        'missing = ["all_one"]',
        'fields[0].missing[0]: must be one of "all_ones", "highest", "lowest", is "all_one"; did you mean all_ones?',
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), MISTAKES)
def test_a_mistake_is_told(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    lines = told(tmp_path, name, (old, new))
    assert any(line.startswith(message) for line in lines), lines
    chinese = told(tmp_path, name, (old, new), language="zh")
    assert len(chinese) == len(lines)
    assert all(any("一" <= letter <= "鿿" for letter in line) for line in chinese), chinese


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        "acrel-djsf1352-rn",
        ("maximum_registers = 20", "maximum_registers = 0"),
        ("minimum_gap_ms", "minimum_gap"),
        ('unit = "degC"', "unit = 5"),
    )
    places = {line.partition(":")[0] for line in lines}
    assert places == {"maximum_registers", "minimum_gap", "fields[6].unit"}


def test_an_error_of_syntax_is_told_with_its_line(tmp_path: Path) -> None:
    [line] = told(tmp_path, "acrel-djsf1352-rn", ("schema = 2", "schema = "))
    assert line.startswith("line 3, column")


class TestConnector:
    """Which meters a site file may name for its connector."""

    @staticmethod
    def told(folder: Path, model: str, language: Language = "en") -> list[str]:
        text = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")
        old = 'model = "acrel-djsf1352-rn"'
        assert text.count(old) == 1
        path = folder / "pile.toml"
        path.write_text(text.replace(old, f'model = "{model}"'), encoding="utf-8")
        try:
            load_settings(path)
        except SettingsError as error:
            return [problem.line(language) for problem in error.problems]
        return []

    @pytest.mark.parametrize("model", ["acrel-djsf1352-rn", "eastron-dcm230", "enlyta-djsf2669d"])
    def test_a_dc_meter_is_fit(self, tmp_path: Path, model: str) -> None:
        assert self.told(tmp_path, model) == []

    def test_an_ac_meter_is_not(self, tmp_path: Path) -> None:
        [line] = self.told(tmp_path, "eastron-sdm630")
        assert line == (
            "connector[0].meter.model: eastron-sdm630 is an AC meter, not fit for a DC connector; "
            "docs/meters.md lists the DC meters"
        )
        [line] = self.told(tmp_path, "eastron-sdm630", "zh")
        assert "是交流电表,不能用于直流枪" in line

    def test_a_meter_over_dlt645_needs_its_number(self, tmp_path: Path) -> None:
        [line] = self.told(tmp_path, "yada-dcm3366q")
        assert line.startswith("connector[0].meter.number: is missing: yada-dcm3366q uses DL/T 645")
        assert "twelve digits" in line

    def test_a_meter_over_dlt645_has_a_serial_line_or_a_serial_server(self, tmp_path: Path) -> None:
        port = 'port = "/dev/serial/by-path/platform-1-usb-0:1.1:1.0-port0"'
        text = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")
        text = text.replace('model = "acrel-djsf1352-rn"', 'model = "yada-dcm3366q"\nnumber = "000000000161"')
        path = tmp_path / "pile.toml"
        for fit in (port, 'port = "rtu+tcp://10.0.0.7:8899"'):
            path.write_text(text.replace(port, fit), encoding="utf-8")
            meter = load_settings(path).connector[0].meter
            assert meter is not None
            assert meter is not None
            assert meter.number == "000000000161"
        path.write_text(text.replace(port, 'port = "tcp://10.0.0.7"'), encoding="utf-8")
        with pytest.raises(SettingsError) as told:
            load_settings(path)
        [problem] = told.value.problems
        assert problem.place == "bus.modbus[0].port"
        assert "Modbus TCP does not carry DL/T 645" in problem.line("en")
        assert "rtu+tcp://" in problem.line("zh")

    def test_both_are_told(self, tmp_path: Path) -> None:
        assert len(self.told(tmp_path, "dlt645-2007-ac")) == 2

    def test_a_wrong_map_beside_the_site_file_is_told_with_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "meters").mkdir()
        text = (MAPS / "acrel-djsf1352-rn.toml").read_text(encoding="utf-8")
        text = text.replace("meter_voltage_v", "meter_voltag_v").replace('id = "acrel-djsf1352-rn"', 'id = "own"')
        (tmp_path / "meters" / "own.toml").write_text(text, encoding="utf-8")
        lines = self.told(tmp_path, "own")
        assert [line.partition(": ")[0] for line in lines] == ["meters/own.toml", "meters/own.toml"]
        assert "did you mean meter_voltage_v?" in lines[0]
