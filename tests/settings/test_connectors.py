"""Several connectors in one site file: what they share, what they must not, and what the profile asks of them."""

import re
from pathlib import Path

import pytest

from agent.field.assembly import build_hardware
from agent.field.parameters import connector_parameters
from agent.field.power_parameters import power_parameters
from agent.settings.load import load_site
from agent.settings.problems import SettingsError
from agent.settings.site import Site
from drivers.text import Language

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"

TWO_GUNS = """
schema = 2
[pile]
id = "SX-2"
operator_id = "MA00EXAM1"
profile = "dc-120kw-two-guns"
[power]
policy = "switched"
incomer_limit_w = 100000
[[bus.modbus]]
name = "meters"
port = "/dev/ttyA"
[[bus.modbus]]
name = "io1"
port = "/dev/ttyB"
baud = 115200
[[bus.modbus]]
name = "io2"
port = "/dev/ttyC"
baud = 115200
[[bus.modbus]]
name = "pile"
port = "/dev/ttyD"
baud = 115200
[[bus.can]]
name = "vehicle1"
channel = "can0"
bitrate_bps = 250000
[[bus.can]]
name = "vehicle2"
channel = "can1"
bitrate_bps = 250000
[[bus.can]]
name = "modules1"
channel = "can2"
bitrate_bps = 125000
[[bus.can]]
name = "modules2"
channel = "can3"
bitrate_bps = 125000
[[board]]
name = "relays1"
model = "waveshare-relay-8ch-d"
bus = "io1"
address = 1
[[board]]
name = "analog1"
model = "waveshare-analog-8ch"
bus = "io1"
address = 2
[[board]]
name = "relays2"
model = "waveshare-relay-8ch-d"
bus = "io2"
address = 1
[[board]]
name = "analog2"
model = "waveshare-analog-8ch"
bus = "io2"
address = 2
[[module_group]]
id = "A"
bus = "modules1"
[[module_group]]
id = "B"
bus = "modules2"
[[connector]]
number = 1
vehicle_bus = "vehicle1"
wiring = "two-guns-1"
boards = { io = "relays1", analog = "analog1", pile = "pile" }
[connector.meter]
bus = "meters"
address = 1
[connector.insulation_monitor]
bus = "meters"
address = 11
[[connector]]
number = 2
vehicle_bus = "vehicle2"
edition = "2023"
maximum_current_a = 200
wiring = "two-guns-2"
boards = { io = "relays2", analog = "analog2", pile = "pile" }
[connector.meter]
bus = "meters"
address = 2
[connector.insulation_monitor]
bus = "meters"
address = 12
[[board]]
name = "pile"
model = 'waveshare-relay-8ch-d'
bus = "pile"
address = 1
[uplink]
enabled = false
"""


def changed(*changes: tuple[str, str]) -> str:
    """The file with texts replaced; a text that is there several times is replaced the last time."""
    text = TWO_GUNS
    for old, new in changes:
        head, found, tail = text.rpartition(old)
        assert found, old
        text = head + new + tail
    return text


def load(folder: Path, text: str) -> Site:
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def problems(folder: Path, text: str, language: Language = "en") -> list[str]:
    try:
        load(folder, text)
    except SettingsError as error:
        return [problem.line(language) for problem in error.problems]
    return []


def own(folder: Path, kind: str, source: str, *changes: tuple[str, str]) -> None:
    """A file of the site's own called ``own``, made from a shipped one."""
    text = (CONFIG / kind / f"{source}.toml").read_text(encoding="utf-8")
    for old, new in ((f'id = "{source}"', 'id = "own"'), *changes):
        assert old in text, old
        text = text.replace(old, new)
    (folder / kind).mkdir(exist_ok=True)
    (folder / kind / "own.toml").write_text(text, encoding="utf-8")


def test_two_connectors_have_everything_of_their_own(tmp_path: Path) -> None:
    site = load(tmp_path, TWO_GUNS)
    assert [connector.number for connector in site.connectors] == [1, 2]
    first, second = site.connectors
    assert first.boards["io"].settings.name == "relays1"
    assert second.boards["io"].settings.name == "relays2"
    assert [group.rated.id for group in first.groups] == ["A"]
    assert [group.rated.id for group in second.groups] == ["B"]
    assert {entry.group for entry in first.allocations} == {"A", "B"}
    parameters = [connector_parameters(site, each, boot_id="b", version="v") for each in site.connectors]
    assert [(each.connector, each.edition, each.maximum_current_a) for each in parameters] == [
        (1, "2015", 250.0),
        (2, "2023", 200.0),
    ]
    assert [each.meter["address"] for each in parameters] == [1, 2]


def test_power_sharing_is_built_from_profile_and_site(tmp_path: Path) -> None:
    power = power_parameters(load(tmp_path, TWO_GUNS))
    assert (power.maximum_power_w, power.incomer_limit_w, power.policy) == (120_000.0, 100_000.0, "switched")
    assert power.connector_current_a == {1: 250.0, 2: 200.0}
    assert [(group.id, group.home, group.module_count, group.maximum_power_w) for group in power.groups] == [
        ("A", 1, 2, 60_000.0),
        ("B", 2, 2, 60_000.0),
    ]
    assert set(power.paths("A")) == {1, 2}
    fewer = power_parameters(load(tmp_path, changed(('id = "B"\n', 'id = "B"\nmodule_count = 1\n'))))
    assert [group.module_count for group in fewer.groups] == [2, 1]


def test_hardware_is_there_once_and_says_which_connector(tmp_path: Path) -> None:
    hardware = build_hardware(load(tmp_path, TWO_GUNS))
    assert [line.name for line in hardware.modbus_lines] == ["meters", "io1", "io2", "pile"]
    assert sorted(hardware.modbus_lines[0].devices) == [1, 2, 11, 12]
    assert sorted(device.name for device in hardware.modbus_lines[0].devices.values()) == [
        "insulation monitor 1",
        "insulation monitor 2",
        "meter 1",
        "meter 2",
    ]
    assert [line.name for line in hardware.can_lines] == ["vehicle1", "vehicle2", "modules1", "modules2"]
    assert hardware.routes["0/emergency_stop_pressed"] == (0, "emergency_stop_pressed")
    assert hardware.routes["2/contactor_k1_closed"] == (2, "contactor_k1_closed")
    first, second = hardware.connectors
    assert first.vehicle_line is hardware.can_lines[0]
    assert (second.number, second.groups[0].id, second.groups[0].line.name) == (2, "B", "modules2")
    second.outputs.set_output("contactor_k1", True, 0.0)
    assert second.outputs.wanted["contactor_k1"] is True
    assert first.outputs.wanted["contactor_k1"] is False
    assert second.outputs.wanted["electronic_lock"] is None


# What is replaced (the last time it is there) by what, where the one message points, what it says.
ERRORS = [
    (
        "address = 2\n[connector.ins",
        "address = 1\n[connector.ins",
        "connector[1].meter.address",
        "taken by connector[0]",
    ),
    ("address = 12", "address = 11", "connector[1].insulation_monitor.address", "taken by connector[0].insulation_mon"),
    ("address = 12", "address = 1", "connector[1].insulation_monitor.address", "taken by connector[0].meter.address"),
    ('vehicle_bus = "vehicle2"', 'vehicle_bus = "vehicle1"', "connector[1].vehicle_bus", "vehicle bus of connector[0]"),
    ('bus = "modules2"', 'bus = "vehicle2"', "module_group[1].bus", "vehicle bus of connector[1]"),
    ("number = 2", "number = 1", "connector[1].number", "taken by connector[0]"),
    ("number = 2", "number = 3", "connector[1].number", "above the 2 connectors"),
    ("number = 2", "number = 5", "connector[1].number", "must be from 1 to 4"),
    ('id = "B"', 'id = "A"', "module_group[1].id", "group A is taken by module_group[0]"),
    ('id = "B"', 'id = "C"', "module_group[1].id", "has no group C; there is: A, B"),
    ('id = "B"\n', 'id = "B"\nmodule_count = 3\n', "module_group[1].module_count", "above the 2 of profile"),
    ('id = "B"\n', 'id = "B"\nmodel = "infipower"\n', "module_group[1].model", "did you mean infypower?"),
    (
        'model = "waveshare-relay-8ch-d"',
        'model = "waveshare-relay"',
        "board[2].model",
        "did you mean waveshare-relay-8ch-d?",
    ),
    ('wiring = "two-guns-2"', 'wiring = "two-gun-2"', "connector[1].wiring", "did you mean two-guns-2?"),
    ('wiring = "two-guns-2"\n', "", "connector[1].wiring", "is missing"),
    ("maximum_current_a = 200", "maximum_current_a = 251", "connector[1].maximum_current_a", "above the 250.0"),
    ("number = 2\n", 'number = 2\nrole = "listener"\n', "connector[1].role", "either chargers or listeners"),
    ('name = "analog2"', 'name = "analog1"', "board[3].name", "taken by board[1]"),
    ("address = 2\n[[module", "[[module", "board[3].address", "is missing: waveshare-analog-8ch needs it"),
    (
        'model = "waveshare-analog-8ch"\nbus',
        'model = "raspberry-pi-4-gpio"\nbus',
        "board[3].address",
        "does not belong to raspberry-pi-4-gpio",
    ),
    (
        "address = 12\n",
        'address = 12\nmodel = "aim-d100"\n',
        "connector[1].insulation_monitor.model",
        "did you mean acrel-aim-d100?",
    ),
    (
        '[connector.insulation_monitor]\nbus = "meters"\naddress = 12\n',
        "",
        "connector[1].insulation_monitor",
        "profile demands it",
    ),
    ('policy = "switched"', 'policy = "shared"', "power.policy", '"fixed", "switched"'),
]


def error_ids() -> list[str]:
    return [f"{row[2]}: {re.sub(chr(10), ' ', row[1])[:40]}" for row in ERRORS]


@pytest.mark.parametrize(("old", "new", "place", "says"), ERRORS, ids=error_ids())
def test_an_error_is_named_with_place_and_cure(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    found = problems(tmp_path, changed((old, new)))
    matching = [message for message in found if message.startswith(f"{place}: ")]
    assert len(matching) == 1, found
    assert says in matching[0]
    assert "; " in matching[0] or "must be" in matching[0], "no cure"
    chinese = problems(tmp_path, changed((old, new)), "zh")
    assert len(chinese) == len(found)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in message) for message in chinese)


def test_an_unknown_model_is_answered_with_all_that_there_are(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, changed(('model = "waveshare-relay-8ch-d"', 'model = "waveshare-relay"')))
    for path in (CONFIG / "boards").glob("*.toml"):
        assert path.stem in message


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    rows = [
        row for row in ERRORS if row[2] in ("connector[1].vehicle_bus", "module_group[1].id", "connector[1].wiring")
    ]
    chosen = {row[2]: row for row in rows}.values()
    found = problems(tmp_path, changed(*[(old, new) for old, new, _, _ in chosen]))
    for _, _, place, _ in chosen:
        assert any(message.startswith(f"{place}: ") for message in found), found


def test_one_channel_has_one_user(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(('boards = { io = "relays2"', 'boards = { io = "relays1"')))
    taken = [message for message in found if "is taken by" in message]
    assert len(taken) == 11, "eight outputs, the lock among them, and three contacts"
    assert any(
        "channel 3 (outputs) of relays1 for electronic_lock is taken by connector[0] electronic" in m for m in taken
    )
    assert any(message.startswith("board[2].name: no connector uses relays2") for message in found)


def test_two_roles_of_one_connector_on_one_board(tmp_path: Path) -> None:
    own(tmp_path, "wiring", "two-guns-2", ('contactor_k1 = { board = "io"', 'contactor_k1 = { board = "more"'))
    path = tmp_path / "wiring" / "own.toml"
    text = path.read_text(encoding="utf-8").replace('analog = "analogue inputs"', 'analog = "a"\nmore = "b"')
    path.write_text(
        text.replace('contactor_k2 = { board = "io", channel = 1', 'contactor_k2 = { board = "io", channel = 0'),
        encoding="utf-8",
    )
    site = changed(('"two-guns-2"', '"own"'), ('io = "relays2"', 'io = "relays2", more = "relays2"'))
    (message,) = problems(tmp_path, site)
    assert "channel 0 (outputs) of relays2 for contactor_k2 is taken by connector[1] contactor_k1" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("lock_locked = { board", "# lock_locked = { board")],
            "connector[1].wiring: wiring own lacks lock_locked, which profile dc-120kw-two-guns demands",
        ),
        (
            [("[inputs]\n", '[inputs]\ndoor_open = { board = "io", channel = 0, active_low = true }\n')],
            "connector[1].wiring: door_open is of the whole pile and wired at connector[0]",
        ),
        (
            [('cc1_voltage_v = { board = "analog", channel = 0', 'cc1_voltage_v = { board = "analog", channel = 8')],
            "connector[1].boards.analog: channel 8 of cc1_voltage_v is not within 0 to 7",
        ),
        (
            [('lock_locked = { board = "io"', 'lock_locked = { board = "analog"')],
            "connector[1].boards.analog: waveshare",
        ),
        ([("electronic_lock =", "electronic_lok =")], "wiring/own.toml: outputs.electronic_lok: unknown name"),
        (
            [("group_b_to_connector_1 =", "# group_b_to_connector_1 =")],
            "connector[0].wiring: profile dc-120kw-two-guns demands group_b_to_connector_1, no wiring has it",
        ),
        (
            [("group_b_to_connector_1 =", "group_a_to_connector_2 =")],
            "connector[1].wiring: group_a_to_connector_2 is wired at connector[0] already",
        ),
        (
            [
                (
                    'group_b_to_connector_1 = { board = "pile", channel = 2, timed = true }',
                    'group_b_to_connector_1 = { board = "pile", channel = 2, timed = false }',
                )
            ],
            "wiring/own.toml: outputs.group_b_to_connector_1.timed: must be true",
        ),
    ],
)
def test_the_wiring_against_board_and_profile(tmp_path: Path, changes: list[tuple[str, str]], message: str) -> None:
    own(tmp_path, "wiring", "two-guns-2", *changes)
    found = problems(tmp_path, changed(('"two-guns-2"', '"own"')))
    assert any(each.startswith(message) for each in found), found


def test_a_sensor_that_is_optional_may_be_wired_or_not(tmp_path: Path) -> None:
    own(
        tmp_path,
        "piles",
        "dc-120kw-two-guns",
        ('    "smoke_detected",\n', ""),
        ("optional = []", 'optional = ["smoke_detected"]'),
    )
    text = changed(('"dc-120kw-two-guns"', '"own"'))
    assert problems(tmp_path, text) == []
    own(tmp_path, "wiring", "two-guns-1", ("smoke_detected =", "# smoke_detected ="))
    without = text.replace('"two-guns-1"', '"own"')
    assert problems(tmp_path, without) == []
    own(tmp_path, "piles", "dc-120kw-two-guns")
    assert any("lacks smoke_detected" in message for message in problems(tmp_path, without))
    own(tmp_path, "piles", "dc-120kw-two-guns", ('    "smoke_detected",\n', ""))
    assert any("does not have smoke_detected" in message for message in problems(tmp_path, text))


def test_a_board_or_role_too_many_or_too_few(tmp_path: Path) -> None:
    found = problems(tmp_path, changed((', analog = "analog2"', "")))
    assert any(message.startswith("connector[1].boards.analog: is missing") for message in found)
    assert any(message.startswith("board[3].name: no connector uses analog2") for message in found)
    found = problems(tmp_path, changed((', analog = "analog2"', ', analog = "analog2", analogue = "analog2"')))
    assert found == ["connector[1].boards.analogue: wiring two-guns-2 has no board analogue; did you mean analog?"]
    found = problems(tmp_path, changed((', analog = "analog2"', ', analog = "analog3"')))
    assert any("no [[board]] is named analog3; did you mean analog" in message for message in found)


def test_a_profile_for_one_connector_and_a_file_with_two(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(('"dc-120kw-two-guns"', '"dc-60kw"')))
    assert any(message.startswith("connector: profile dc-60kw has 1 connector, the file has 2") for message in found)


def test_a_profile_for_two_connectors_and_a_file_with_one(tmp_path: Path) -> None:
    text = (CONFIG / "site-example.toml").read_text(encoding="utf-8").replace('"dc-60kw"', '"dc-120kw-two-guns"')
    found = problems(tmp_path, text)
    assert any(
        message.startswith("connector: profile dc-120kw-two-guns has 2 connectors, the file has 1") for message in found
    )
    assert any(message.startswith("module_group: group B of profile") for message in found)


def test_groups_on_one_line_are_kept_apart(tmp_path: Path) -> None:
    one_line = changed(('bus = "modules2"', 'bus = "modules1"'))
    places = [message.partition(":")[0] for message in problems(tmp_path, one_line)]
    assert places == ["module_group[0].group_number", "module_group[1].address", "module_group[1].group_number"]
    numbered = one_line.replace('bus = "modules1"\n', 'bus = "modules1"\ngroup_number = 1\n')
    head, _, tail = numbered.rpartition("group_number = 1")
    (message,) = problems(tmp_path, f"{head}group_number = 1\naddress = 2{tail}")
    assert message.startswith("module_group[1].group_number: 1 is the number of group module_group[0]")
    assert problems(tmp_path, f"{head}group_number = 2\naddress = 2{tail}") == []


def test_groups_of_two_families_do_not_share_a_line(tmp_path: Path) -> None:
    text = changed(('bus = "modules2"\n', 'bus = "modules1"\nmodel = "uugreenpower"\naddress = 8\ngroup_number = 2\n'))
    found = problems(tmp_path, text.replace('id = "A"\n', 'id = "A"\ngroup_number = 1\n', 1))
    assert any("cannot share a CAN line; use another CAN bus" in message for message in found), found


def test_a_board_that_cannot_open_a_contactor_by_itself(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(('model = "waveshare-relay-8ch-d"', 'model = "relay-r421a08"')))
    start = "connector[1].boards.io: relay-r421a08 cannot open contactor_k1 by itself; use a board with pulse"
    assert any(message.startswith(start) for message in found)
    assert any("relay-r421a08 has no inputs, lock_locked needs one" in message for message in found)


def test_a_site_may_bring_devices_of_its_own(tmp_path: Path) -> None:
    own(tmp_path, "insulation_monitors", "acrel-aim-d100")
    own(tmp_path, "power_modules", "infypower")
    own(tmp_path, "boards", "waveshare-relay-8ch-d", ("interval_ms = 20", "interval_ms = 30"))
    text = changed(
        ("address = 12\n", 'address = 12\nmodel = "own"\n'),
        ('id = "B"\n', 'id = "B"\nmodel = "own"\n'),
        ('model = "waveshare-relay-8ch-d"', 'model = "own"'),
    )
    site = load(tmp_path, text)
    second = site.connectors[1]
    assert second.insulation_map == tmp_path / "insulation_monitors" / "own.toml"
    assert second.groups[0].model.id == "own"
    assert second.boards["io"].interval_s == 0.03
    assert len(build_hardware(site).connectors) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("connectors = 2", "connectors = 3", "group: connector 3 has no group of modules"),
        ("connectors = 2", "connectors = 1", "group[1].connector: 2 is above connectors = 1"),
        ('id = "B"', 'id = "A"', "group[1].id: group A is already in group[0]"),
        ('group = "B"\nconnector = 2', 'group = "C"\nconnector = 2', "allocation[2].group: unknown group C"),
        ('group = "B"\nconnector = 1', 'group = "B"\nconnector = 2', "allocation[3]: is there twice"),
        (
            'group = "A"\nconnector = 1',
            'group = "B"\nconnector = 1',
            "allocation: group A has no contactor to its home 1",
        ),
        (
            'feedback = "group_b_to_connector_1_closed"',
            'feedback = "group_b_to_connector_1"',
            "allocation[3].feedback: the name",
        ),
        ('output = "group_b_to_connector_1"', 'output = "contactor_k1"', "allocation[3].output: the name contactor_k1"),
        (
            '    "door_open",',
            '    "dor_open",',
            "sensors.required[1]: unknown signal dor_open; did you mean door_open?",
        ),
        (
            "optional = []",
            'optional = ["door_open"]',
            "sensors.optional[0]: door_open is already in sensors.required[1]",
        ),
    ],
)
def test_a_profile_that_does_not_fit_together(tmp_path: Path, old: str, new: str, message: str) -> None:
    own(tmp_path, "piles", "dc-120kw-two-guns", (old, new))
    found = problems(tmp_path, changed(('"dc-120kw-two-guns"', '"own"')))
    assert any(each.startswith(f"piles/own.toml: {message}") for each in found), found


def test_a_file_of_layout_1_names_the_command(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, TWO_GUNS.replace("schema = 2", "schema = 1"))
    assert message.startswith("schema: the file has the old layout 1; `pile-agent migrate ")
    assert str(tmp_path / "pile.toml") in message


def test_a_file_of_tomorrow_says_so(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, TWO_GUNS.replace("schema = 2", "schema = 3"))
    assert (
        message
        == "schema: layout 3 is newer than the 2 of this program; update the program, or use the file of this version"
    )


def test_sections_of_layout_1_in_a_file_of_layout_2_name_their_new_place(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(("[uplink]", '[connector.power_stage]\nbus = "x"\n[uplink]')))
    assert found == ["connector[1].power_stage: there is no such key; layout 1: write a [[module_group]] section"]
    text = (CONFIG / "site-example.toml").read_text(encoding="utf-8").replace("[[connector]]", "[connector]")
    (message,) = problems(tmp_path, text)
    assert message == "connector: must be a list, is a table; write [[connector]], two brackets each"
