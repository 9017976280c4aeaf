"""A site file whose connector only listens: what it may name, what it may not, and what the messages say."""

from pathlib import Path

import pytest

from agent.settings.load import MonitorSite, SettingsError, Site, load_any_site, load_settings, load_site
from drivers.text import Language

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config" / "site-monitor-example.toml").read_text(encoding="utf-8")
CHARGER = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str) -> MonitorSite:
    site = load_any_site(write(folder, text))
    assert isinstance(site, MonitorSite)
    return site


def problems(folder: Path, text: str, language: Language = "en") -> list[str]:
    try:
        load_settings(write(folder, text))
    except SettingsError as error:
        return [problem.line(language) for problem in error.problems]
    return []


def changed(*changes: tuple[str, str]) -> str:
    text = EXAMPLE
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


def without(section: str) -> str:
    """The example without a section, up to the next one with its comment."""
    head, found, rest = EXAMPLE.partition(f"[{section}]\n")
    assert found
    lines = rest.splitlines(keepends=True)
    cut = next(index for index, line in enumerate(lines) if line.startswith(("[", "#")) and index > 1)
    return head + "".join(lines[cut:])


def test_the_example_is_right(tmp_path: Path) -> None:
    site = load(tmp_path, EXAMPLE)
    assert site.settings.connector.role == "monitor"
    assert site.meter_map is not None
    inputs = site.settings.connector.inputs
    assert inputs is not None
    assert inputs.door_open is not None
    assert inputs.door_open.channel == 1


def test_a_charger_is_a_charger_unless_said(tmp_path: Path) -> None:
    site = load_any_site(write(tmp_path, CHARGER))
    assert isinstance(site, Site)
    assert site.settings.connector.role == "charger"


def test_who_wants_a_charger_gets_none_that_listens(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="this pile only listens"):
        load_site(write(tmp_path, EXAMPLE))


@pytest.mark.parametrize("section", ["connector.meter", "connector.inputs"])
def test_meter_and_contacts_may_be_left_out(tmp_path: Path, section: str) -> None:
    assert problems(tmp_path, without(section)) == []


def test_without_meter_and_contacts_no_modbus_line_is_needed(tmp_path: Path) -> None:
    text = f"""
schema = 1
[pile]
id = "S"
operator_id = "MA00EXAM1"
profile = "dc-60kw"
[[bus.can]]
name = "vehicle"
channel = "can0"
bitrate_bps = 250000
[connector]
role = "monitor"
vehicle_bus = "vehicle"
[uplink]
ca_file = "{tmp_path}/pile.toml"
"""
    site = load(tmp_path, text)
    assert site.settings.bus.modbus == []
    assert site.meter_map is None


MISTAKES = [
    ('role = "monitor" ', 'role = "monitr" ', "connector.role", 'must be one of "charger", "monitor"'),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "vehicel"', "connector.vehicle_bus", "did you mean vehicle?"),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "io"', "connector.vehicle_bus", "a can bus is needed"),
    ('bus = "io"', 'bus = "oi"', "connector.inputs.bus", "no modbus bus is named oi"),
    ("channel = 1,", "channel = 0,", "connector.inputs.door_open.channel", "taken by emergency_stop_pressed"),
    ("channel = 2,", "channel = 8,", "connector.inputs.smoke_detected.channel", "not within 0 to 7"),
    ("channel = 2,", "channel = 32,", "connector.inputs.smoke_detected.channel", "from 0 to 31"),
    ("smoke_detected =", "smoke_detect =", "connector.inputs.smoke_detect", "did you mean smoke_detected?"),
    (
        "active_low = true }\ndoor",
        "active_low = 1 }\ndoor",
        "connector.inputs.emergency_stop_pressed.active_low",
        "true",
    ),
    (
        'model = "acrel-djsf1352-rn"',
        'model = "acrel-djsf1352"',
        "connector.meter.model",
        "did you mean acrel-djsf1352-rn?",
    ),
    (
        "[connector.inputs]",
        '[connector.power_stage]\nbus = "vehicle"\n[connector.inputs]',
        "connector.power_stage",
        "controls nothing",
    ),
    (
        "[connector.inputs]",
        '[connector.inputs_outputs]\nbus = "io"\n[connector.inputs]',
        "connector.inputs_outputs",
        "contacts stand in [connector.inputs]",
    ),
    ("[connector]\n", '[connector]\nedition = "2023"\n', "connector.edition", "the two sides on the bus decide"),
    ("[connector]\n", "[connector]\nmaximum_current_a = 9\n", "connector.maximum_current_a", "leave it out"),
    ("[connector]\n", "[connector]\nedtion = 1\n", "connector.edtion", "there is no such key"),
    ("[record]", "[reccord]", "reccord", "did you mean record?"),
]


@pytest.mark.parametrize(("old", "new", "place", "says"), MISTAKES, ids=[f"{row[2]}: {row[3]}" for row in MISTAKES])
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    found = [message for message in problems(tmp_path, changed((old, new))) if message.startswith(f"{place}: ")]
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize("row", [row for row in MISTAKES if row[2] != "connector.role"], ids=lambda row: row[2])
def test_one_mistake_gives_one_message_in_both_languages(tmp_path: Path, row: tuple[str, str, str, str]) -> None:
    for language in ("en", "zh"):
        (message,) = problems(tmp_path, changed((row[0], row[1])), language)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in message) == (language == "zh"), message


def test_contacts_that_name_no_contact(tmp_path: Path) -> None:
    lines = [line for line in EXAMPLE.splitlines() if "active_low" not in line]
    (message,) = problems(tmp_path, "\n".join(lines))
    assert message.startswith("connector.inputs: names no contact")


def test_contacts_that_are_no_section(tmp_path: Path) -> None:
    text = without("connector.inputs").replace('role = "monitor" ', 'inputs = 3\nrole = "monitor" ')
    assert problems(tmp_path, text) == ["connector.inputs: must be a section (table), is 3"]


def test_two_devices_on_one_line_need_two_addresses(tmp_path: Path) -> None:
    text = changed(('bus = "io"', 'bus = "meter"'))
    (message,) = problems(tmp_path, text)
    assert message.startswith("connector.inputs.address: address 1 on bus meter is taken by connector.meter.address")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("eastron-sdm630", "is an AC meter, not fit for a DC connector"),
        ("yada-dcm3366q", "speaks DL/T 645 and is addressed by its number"),
        ("acrel-djsf1352", "did you mean acrel-djsf1352-rn?"),
    ],
)
def test_its_meter_is_checked_like_that_of_a_charger(tmp_path: Path, model: str, what: str) -> None:
    [line] = problems(tmp_path, changed(('model = "acrel-djsf1352-rn"', f'model = "{model}"')))
    assert line.startswith("connector.meter.")
    assert what in line
