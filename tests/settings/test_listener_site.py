"""A site file whose connector only listens: what it may name, what it may not, and what the messages say."""

from pathlib import Path

import pytest

from agent.settings.load import SettingsError, load_settings, load_site
from agent.settings.site import Site
from drivers.text import Language

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config" / "site-monitor-example.toml").read_text(encoding="utf-8")
CHARGER = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str) -> Site:
    site = load_site(write(folder, text))
    assert site.kind == "listener"
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
    (connector,) = load(tmp_path, EXAMPLE).connectors
    assert connector.settings.role == "listener"
    assert connector.meter_map is not None
    assert connector.wiring is not None
    assert connector.wiring.inputs["door_open"].channel == 1
    assert connector.groups == ()


def test_the_old_word_for_a_listener_is_taken(tmp_path: Path) -> None:
    (connector,) = load(tmp_path, changed(('role = "listener" ', 'role = "monitor" '))).connectors
    assert connector.settings.kind == "listener"


def test_a_charger_is_a_charger_unless_said(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, CHARGER))
    assert site.kind == "charger"
    assert site.settings.connector[0].role == "charger"


def test_the_meter_may_be_left_out(tmp_path: Path) -> None:
    assert problems(tmp_path, without("connector.meter")) == []


def no_contacts() -> str:
    lines = EXAMPLE.splitlines(keepends=True)
    start = lines.index("[[board]]\n")
    del lines[start : lines.index("[[connector]]\n")]
    return "".join(line for line in lines if not line.startswith(("wiring =", "boards =")))


def test_contacts_may_be_left_out(tmp_path: Path) -> None:
    (connector,) = load(tmp_path, no_contacts()).connectors
    assert connector.wiring is None
    assert connector.boards == {}


def test_without_meter_and_contacts_no_modbus_line_is_needed(tmp_path: Path) -> None:
    text = f"""
schema = 2
[pile]
id = "S"
operator_id = "MA00EXAM1"
profile = "dc-60kw"
[[bus.can]]
name = "vehicle"
channel = "can0"
bitrate_bps = 250000
[[connector]]
role = "listener"
vehicle_bus = "vehicle"
[uplink]
ca_file = "{tmp_path}/pile.toml"
"""
    site = load(tmp_path, text)
    assert site.settings.bus.modbus == []
    assert site.connectors[0].meter_map is None


MISTAKES = [
    ('role = "listener" ', 'role = "listner" ', "connector[0].role", 'must be one of "charger", "listener", "monitor"'),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "vehicel"', "connector[0].vehicle_bus", "did you mean vehicle?"),
    ('vehicle_bus = "vehicle"', 'vehicle_bus = "io"', "connector[0].vehicle_bus", "a can bus is needed"),
    ('bus = "io"', 'bus = "oi"', "board[0].bus", "no modbus bus is named oi"),
    ('{ inputs = "io" }', '{ inputs = "oi" }', "connector[0].boards.inputs", "no [[board]] is named oi"),
    (
        'model = "acrel-djsf1352-rn"',
        'model = "acrel-djsf1352"',
        "connector[0].meter.model",
        "did you mean acrel-djsf1352-rn?",
    ),
    ('"listener-contacts"', '"reference-dc"', "wiring/reference-dc.toml: outputs.contactor_k1", "controls no output"),
    ("[tariff]", '[[module_group]]\nid = "A"\nbus = "x"\n[tariff]', "module_group", "controls no output"),
    ("[[connector]]\n", '[[connector]]\nedition = "2023"\n', "connector[0].edition", "the two sides on the bus decide"),
    ("[[connector]]\n", "[[connector]]\nmaximum_current_a = 9\n", "connector[0].maximum_current_a", "leave it out"),
    ("[[connector]]\n", "[[connector]]\nedtion = 1\n", "connector[0].edtion", "there is no such key"),
    ("[record]", "[reccord]", "reccord", "did you mean record?"),
]
_ALONE = [row for row in MISTAKES if row[2].split(".")[-1] not in ("role", "inputs", "contactor_k1", "module_group")]


@pytest.mark.parametrize(("old", "new", "place", "says"), MISTAKES, ids=[f"{row[2]}: {row[3]}" for row in MISTAKES])
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    found = [message for message in problems(tmp_path, changed((old, new))) if message.startswith(f"{place}: ")]
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize("row", _ALONE, ids=lambda row: row[2])
def test_one_mistake_gives_one_message_in_both_languages(tmp_path: Path, row: tuple[str, str, str, str]) -> None:
    for language in ("en", "zh"):
        (message,) = problems(tmp_path, changed((row[0], row[1])), language)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in message) == (language == "zh"), message


def own_wiring(folder: Path, *changes: tuple[str, str]) -> str:
    """The example with a wiring of its own beside it, changed."""
    text = (ROOT / "config" / "wiring" / "listener-contacts.toml").read_text(encoding="utf-8")
    for old, new in (("listener-contacts", "own"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "wiring").mkdir(exist_ok=True)
    (folder / "wiring" / "own.toml").write_text(text, encoding="utf-8")
    return changed(("listener-contacts", "own"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("channel = 1,", "channel = 0,", "wiring/own.toml: inputs.door_open.channel: channel 0 is taken by emergency"),
        (
            "channel = 2,",
            "channel = 8,",
            "connector[0].boards.inputs: channel 8 of smoke_detected is not within 0 to 7",
        ),
        ("channel = 2,", "channel = 32,", "wiring/own.toml: inputs.smoke_detected.channel: must be from 0 to 31"),
        (
            "smoke_detected =",
            "smoke_detect =",
            "wiring/own.toml: inputs.smoke_detect: unknown name smoke_detect; did you mean smoke",
        ),
        ("smoke_detected =", "lock_locked =", "wiring/own.toml: inputs.lock_locked: unknown name"),
        (
            'emergency_stop_pressed = { board = "inputs", channel = 0, active_low = true }',
            'emergency_stop_pressed = { board = "inputs", channel = 0, active_low = 1 }',
            "wiring/own.toml: inputs.emergency_stop_pressed.active_low: must be true or false, is 1",
        ),
    ],
)
def test_a_wrong_wiring_of_contacts_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (found,) = problems(tmp_path, own_wiring(tmp_path, (old, new)))
    assert found.startswith(message)


def test_a_wiring_without_a_wire_uses_no_board(tmp_path: Path) -> None:
    text = own_wiring(tmp_path)
    path = tmp_path / "wiring" / "own.toml"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "active_low" not in line]
    path.write_text("\n".join(lines), encoding="utf-8")
    (message,) = problems(tmp_path, text)
    assert message.startswith("wiring/own.toml: boards.inputs: is not used by any wire")


def test_a_board_that_is_no_section(tmp_path: Path) -> None:
    text = no_contacts().replace("schema = 2", "schema = 2\nboard = 3")
    assert problems(tmp_path, text) == ["board: must be a list, is 3"]


def test_two_devices_on_one_line_need_two_addresses(tmp_path: Path) -> None:
    text = changed(('bus = "io"', 'bus = "meter"'))
    (message,) = problems(tmp_path, text)
    assert message.startswith("board[0].address: address 1 on bus meter is taken by connector[0].meter.address")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("eastron-sdm630", "is an AC meter, not fit for a DC connector"),
        ("yada-dcm3366q", "uses DL/T 645 and is addressed by its number"),
        ("acrel-djsf1352", "did you mean acrel-djsf1352-rn?"),
    ],
)
def test_its_meter_is_checked_like_that_of_a_charger(tmp_path: Path, model: str, what: str) -> None:
    [line] = problems(tmp_path, changed(('model = "acrel-djsf1352-rn"', f'model = "{model}"')))
    assert line.startswith("connector[0].meter.")
    assert what in line
