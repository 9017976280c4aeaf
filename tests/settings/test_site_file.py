"""A wrong site file: every mistake is found at once, each with its place and the nearest legal name."""

from datetime import date
from pathlib import Path

import pytest

from agent.control.dc.parameters import ControlParameters
from agent.field.parameters import connector_parameters
from agent.settings.load import SettingsError, load_settings, load_site
from agent.settings.site import Site
from drivers.text import Language

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")


def problems(folder: Path, text: str, language: Language = "en") -> list[str]:
    """The messages about a site file with this text; empty if it is right."""
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load_settings(path)
    except SettingsError as error:
        return [problem.line(language) for problem in error.problems]
    return []


def changed(*changes: tuple[str, str]) -> str:
    """The example with texts replaced; each must be there exactly once."""
    text = EXAMPLE
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


def parameters_of(site: Site) -> ControlParameters:
    (connector,) = site.connectors
    return connector_parameters(site, connector, boot_id="b", version="v")


def test_the_example_is_right(tmp_path: Path) -> None:
    assert problems(tmp_path, EXAMPLE) == []


def test_a_site_brings_everything_that_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    site = load_site(path)
    assert site.profile.id == site.settings.pile.profile
    (connector,) = site.connectors
    assert connector.wiring is not None
    assert connector.wiring.outputs["contactor_k1"].timed
    assert connector.boards["io"].model.id == "waveshare-relay-8ch-d"
    assert [(group.rated.id, group.module_count) for group in connector.groups] == [("A", 2)]
    assert site.tariff.id == "shanxi-example"
    assert site.faults["emergency_stop"].action == "open"
    assert connector.settings.meter is not None
    assert connector.meter_map is not None
    assert connector.meter_map.stem == connector.settings.meter.model


def test_a_verification_date_is_a_date_without_quotes(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    due = 'accuracy_class = "0.5S"\nverification_due = 2027-05-01\nrefuse_after_verification_due = true'
    path.write_text(changed((_BEFORE, due)), encoding="utf-8")
    site = load_site(path)
    meter = site.settings.connector[0].meter
    assert meter is not None
    assert meter.verification_due == date(2027, 5, 1)
    parameters = parameters_of(site)
    assert parameters.verification_due_day == date(2027, 5, 1).toordinal()
    assert parameters.refuse_after_verification_due
    assert parameters.meter["accuracy_class"] == "0.5S"
    assert parameters.meter["verification_due"] == "2027-05-01"
    assert parameters.meter_proof_key == "acrel-djsf1352-rn//1"
    assert parameters.register_form.unit_disputed
    path.write_text(EXAMPLE, encoding="utf-8")
    parameters = parameters_of(load_site(path))
    assert parameters.verification_due_day is None
    assert parameters.meter["verification_due"] == ""


_BEFORE = 'certificate_number = ""'

# One row a mistake: what is replaced by what, where the message points, what it must say.
MISTAKES = [
    ('profile = "dc-60kw"', 'profil = "dc-60kw"', "pile.profil", "did you mean profile?"),
    ("schema = 2", "schema = 0", "schema", "must be 2, is 0"),
    ("schema = 2", "", "schema", "is missing"),
    ('language = "zh"', 'language = "fr"', "pile.language", 'must be one of "en", "zh"'),
    ('operator_id = "MA00EXAM1"', 'operator_id = "MA00"', "pile.operator_id", "exactly nine"),
    ('operator_id = "MA00EXAM1"', "operator_id = 900000001", "pile.operator_id", "must be text in quotes"),
    ("cycle_ms = 10", "cycle_ms = 4", "control.cycle_ms", "must be from 5 to 100, is 4"),
    ("cycle_ms = 10", "cycle_ms = 101", "control.cycle_ms", "must be from 5 to 100, is 101"),
    ("cycle_ms = 10", "cycle_ms = 10.0", "control.cycle_ms", "must be a whole number"),
    ("cycle_ms = 10", "cycle_ms = true", "control.cycle_ms", "must be a whole number, is true"),
    ("lock_memory = true", "lock_memory = 1", "control.lock_memory", "must be true or false"),
    ("bitrate_bps = 125000", "bitrate_bps = 125", "bus.can[1].bitrate_bps", "50000, 125000, 250000, 500000"),
    ("bitrate_bps = 125000", "", "bus.can[1].bitrate_bps", "is missing"),
    ("energy_unit_wh = 1.0", "energy_unit_wh = 0", "connector[0].meter.energy_unit_wh", "above 0 and at most 1000"),
    ("energy_unit_wh = 1.0", "energy_unit_wh = nan", "connector[0].meter.energy_unit_wh", "is nan"),
    ("energy_unit_wh = 1.0", "energy_unit_wh = inf", "connector[0].meter.energy_unit_wh", "is inf"),
    (_BEFORE, 'verification_due = "2027-05-01"', "connector[0].meter.verification_due", "must be a date"),
    (_BEFORE, "verification_due = 2027-05-01T10:00:00", "connector[0].meter.verification_due", "is a date or time"),
    (_BEFORE, "verification_due = 20270501", "connector[0].meter.verification_due", "without quotes), is 20270501"),
    (_BEFORE, 'accuracy_class = "0.3"', "connector[0].meter.accuracy_class", "must be one of"),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "vehicel"', "connector[0].vehicle_bus", "did you mean vehicle?"),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "meter"', "connector[0].vehicle_bus", "a can bus is needed"),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "modules"', "module_group[0].bus", "need another CAN bus"),
    ('channel = "can1"', 'channel = "can0"', "bus.can[1].channel", "used by bus.can[0].channel"),
    ("address = 2\n\n# Power", "address = 1\n\n# Power", "board[1].address", "taken by board[0].address"),
    ('profile = "dc-60kw"', 'profile = "dc-60kv"', "pile.profile", "did you mean dc-60kw?"),
    ('wiring = "reference-dc"', 'wiring = "referense-dc"', "connector[0].wiring", "did you mean reference-dc?"),
    ('model = "acrel-djsf1352-rn"', 'model = "acrel-djsf1352"', "connector[0].meter.model", "mean acrel-djsf1352-rn?"),
    ('id = "shanxi-example"', 'id = "shanxi"', "tariff.id", "there is no file tariffs/shanxi.toml"),
    ("[[connector]]", "[[connector]]\nmaximum_power_w = 60001", "connector[0].maximum_power_w", "above the 60000"),
    ("[[connector]]", "[[connector]]\nmaximum_current_a = 150.5", "connector[0].maximum_current_a", "above the 150.0"),
    ("[[connector]]", "[[connector]]\nmaximum_voltage_v = 200", "connector[0].maximum_voltage_v", "lowest voltage"),
    ("[limits]", "[limits]\nconnector_temperature_stop_c = 95.5", "limits.connector_temperature_stop_c", "looser"),
    ("[limits]", "[limits]\nconnector_temperature_derate_c = 86", "limits.connector_temperature_derate_c", "looser"),
    (
        "[limits]",
        "[limits]\nconnector_temperature_stop_c = 85",
        "limits.connector_temperature_derate_c",
        "below the stop",
    ),
    ("recorder_lost_stop_s = 60.0", "recorder_lost_stop_s = 61", "limits.recorder_lost_stop_s", "looser"),
    ('state = "/var/lib/pile-agent"', 'state = "lib"', "paths.state", "not an absolute path"),
    ("tls = true", 'tls = true\nca_file = "/no/ca.pem"', "uplink.ca_file", "there is no file /no/ca.pem"),
    ("tls = true", 'tls = true\nca_file = "ca.pem"', "uplink.ca_file", "not an absolute path"),
    ("[record]", "[reccord]", "reccord", "did you mean record?"),
]


@pytest.mark.parametrize(("old", "new", "place", "says"), MISTAKES, ids=[f"{row[2]}: {row[1]}" for row in MISTAKES])
def test_one_mistake_gives_one_message(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    (message,) = problems(tmp_path, changed((old, new)))
    assert message.startswith(f"{place}: ")
    assert says in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cycle_ms = 10", "cycle_ms = 5"),
        ("cycle_ms = 10", "cycle_ms = 100"),
        ("energy_unit_wh = 1.0", "energy_unit_wh = 10"),
        ("[[connector]]", "[[connector]]\nmaximum_power_w = 60000"),
        ("[limits]", "[limits]\nconnector_temperature_stop_c = 95\nconnector_temperature_derate_c = 85"),
        ("tls = true", 'tls = false\nca_file = "/no/ca.pem"'),
    ],
)
def test_what_is_just_legal_is_taken(tmp_path: Path, old: str, new: str) -> None:
    assert problems(tmp_path, changed((old, new))) == []


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    certificate = tmp_path / "pile.pem"
    certificate.write_text("", encoding="ascii")
    (message,) = problems(tmp_path, changed(("tls = true", f'tls = true\ncertificate_file = "{certificate}"')))
    assert message.startswith("uplink.key_file: is missing while certificate_file is given")


def test_two_names_of_one_adapter_are_one_port(tmp_path: Path) -> None:
    adapter = tmp_path / "ttyUSB0"
    adapter.touch()
    (tmp_path / "first").symlink_to(adapter)
    (tmp_path / "second").symlink_to(adapter)
    ports = [line for line in EXAMPLE.splitlines() if line.startswith("port = ") and "/dev" in line]
    text = changed((ports[0], f'port = "{tmp_path}/first"'), (ports[1], f'port = "{tmp_path}/second"'))
    (message,) = problems(tmp_path, text)
    assert message.startswith("bus.modbus[1].port: ")


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    places = ("pile.profil", "control.cycle_ms", "connector[0].vehicle_bus", "tariff.id", "reccord", "paths.state")
    rows = {row[0]: row for row in MISTAKES if row[2] in places}
    text = changed(*[(old, row[1]) for old, row in rows.items()])
    found = [message.partition(": ")[0] for message in problems(tmp_path, text)]
    assert sorted(found) == sorted(places)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_message_exists_in_both_languages(tmp_path: Path, language: Language) -> None:
    for old, new, place, _ in MISTAKES:
        (message,) = problems(tmp_path, changed((old, new)), language)
        assert message.startswith(place)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in message) == (language == "zh"), message


def test_a_misspelt_section_does_not_count_as_missing_too(tmp_path: Path) -> None:
    text = changed(("[pile]", "[pill]"))
    (message,) = problems(tmp_path, text)
    assert message == "pill: there is no such key; did you mean pile?"


@pytest.mark.parametrize(
    ("text", "place"),
    [("schema = \n", "line 1"), ("schema = 2\n[pile\n", "line 2"), ("a = 1\na = 2\n", "line 2"), ("a = '", "end of")],
)
def test_a_syntax_error_names_its_line(tmp_path: Path, text: str, place: str) -> None:
    (message,) = problems(tmp_path, text)
    assert message.startswith(place)
    assert "TOML syntax error" in message


def test_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    path.write_bytes("schema = 2\n# 充电桩\n".encode("gb18030"))
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    (problem,) = caught.value.problems
    assert problem.line() == "line 2: is not UTF-8 text; save it as UTF-8"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.toml", "there is no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(SettingsError) as caught:
            load_settings(path)
        (problem,) = caught.value.problems
        assert problem.place == str(path)
        assert says in problem.line()


def test_an_empty_file_misses_its_sections(tmp_path: Path) -> None:
    assert [message.partition(":")[0] for message in problems(tmp_path, "")] == ["schema", "pile", "bus", "connector"]


def test_a_section_that_is_no_section_is_one_mistake(tmp_path: Path) -> None:
    head, _, rest = EXAMPLE.partition("[limits]")
    text = head.replace("schema = 2", "schema = 2\nlimits = 3") + "[uplink]" + rest.partition("[uplink]")[2]
    assert problems(tmp_path, text) == ["limits: must be a section (table), is 3"]


def test_a_bus_name_may_stand_once_only(tmp_path: Path) -> None:
    text = EXAMPLE.replace('name = "io"\nport', 'name = "modules"\nport').replace('bus = "io"', 'bus = "modules"')
    assert problems(tmp_path, text) == [
        "bus.can[1].name: the bus name modules is taken by bus.modbus[1]; choose another name"
    ]


def test_a_file_beside_the_site_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "tariffs").mkdir()
    own = (ROOT / "config" / "tariffs" / "shanxi-example.toml").read_text(encoding="utf-8")
    (tmp_path / "tariffs" / "village.toml").write_text(own.replace('"shanxi-example"', '"village"'), encoding="utf-8")
    text = changed(('id = "shanxi-example"', 'id = "village"'))
    assert problems(tmp_path, text) == []
    (tmp_path / "tariffs" / "village.toml").write_text(own, encoding="utf-8")
    (message,) = problems(tmp_path, text)
    assert message.startswith("tariffs/village.toml: id: shanxi-example is not the name of the file")
