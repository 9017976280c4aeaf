"""Site files of layout 1: converted with the same values, once, with their comments, or refused and left alone."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.settings.files import read_toml
from agent.settings.load import load_site
from agent.settings.migration.plan import make_plan, write_plan
from agent.settings.migration.text import comment_of
from agent.settings.problems import SettingsError
from agent.settings.site import Site
from drivers.inputs_outputs.board_model import ModbusOutputs

HERE = Path(__file__).parent / "layout1"
SITE_FILES = sorted(HERE.glob("*.toml"))
CHARGER = (HERE / "site-example.toml").read_text(encoding="utf-8")
LISTENER = (HERE / "site-monitor-example.toml").read_text(encoding="utf-8")


def write(folder: Path, text: str, *, own_board: str | None = None) -> Path:
    """A site file of layout 1 in a folder, with a board file of its own."""
    path = folder / "pile.toml"
    path.write_bytes(text.encode("utf-8"))
    if own_board is not None:
        (folder / "boards").mkdir()
        (folder / "boards" / "own.toml").write_text(own_board, encoding="utf-8")
    return path


def migrate(path: Path) -> Site:
    write_plan(make_plan(path))
    return load_site(path)


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def comments(text: str) -> list[str]:
    """Every comment in a file, in order of the alphabet."""
    found = [comment_of(line) for line in text.splitlines()]
    return sorted(comment for comment in found if comment)


def same_values(path: Path, old: dict[str, object]) -> None:
    """Everything but the connector's inner order is as it was."""
    new = read_toml(path)
    gone = {"schema", "connector", "board", "module_group"}
    assert {key: value for key, value in new.items() if key not in gone} == {
        key: value for key, value in old.items() if key not in gone
    }
    old_connector = old["connector"]
    assert isinstance(old_connector, dict)
    kept = {
        key: value for key, value in old_connector.items() if key not in ("inputs_outputs", "power_stage", "inputs")
    }
    (connector,) = new["connector"]
    assert {key: value for key, value in connector.items() if key not in ("wiring", "boards")} == kept


@pytest.mark.parametrize("source", SITE_FILES, ids=lambda path: path.stem)
def test_every_example_of_layout_1_loads_with_the_same_values(source: Path, tmp_path: Path) -> None:
    path = write(tmp_path, source.read_text(encoding="utf-8"))
    site = migrate(path)
    same_values(path, tomllib.loads(source.read_text(encoding="utf-8")))
    assert site.settings.schema == 2
    assert (path.parent / "pile.toml.schema1").read_bytes() == source.read_bytes()


def test_the_charger_keeps_boards_wiring_and_modules(tmp_path: Path) -> None:
    text = changed(
        CHARGER,
        ("relay_address = 1", "relay_address = 11"),
        ("analog_address = 2", "analog_address = 12\ninput_interval_ms = 40\nanalog_interval_ms = 80"),
        ("[connector.power_stage]\n", "[connector.power_stage]\ncommand_interval_ms = 150\n"),
    )
    (connector,) = migrate(write(tmp_path, text)).connectors
    board = {role: (each.settings.address, each.interval_s) for role, each in connector.boards.items()}
    assert board == {"io": (11, 0.04), "analog": (12, 0.08)}
    assert connector.wiring is not None
    old = tomllib.loads((HERE / "boards" / "waveshare-rs485.toml").read_text(encoding="utf-8"))
    for section in ("outputs", "inputs", "analog"):
        wired = {name: wire.channel for name, wire in getattr(connector.wiring, section).items()}
        assert wired == {name: wire["channel"] for name, wire in old[section].items()}
    (group,) = connector.groups
    assert (group.settings.bus, group.settings.model, group.module_count) == ("modules", "infypower", 2)
    assert group.settings.command_interval_ms == 150


def test_comments_and_commented_lines_stay(tmp_path: Path) -> None:
    text = changed(
        CHARGER,
        ("[connector.inputs_outputs]\n", "[connector.inputs_outputs]   # in the cabinet\n"),
        ('bus = "io"\nboard', '# a line of its own\nbus = "io"   # left door\nboard'),
        ("relay_address = 1", "relay_address = 1  # DIP 1"),
        ('[connector.power_stage]\nbus = "modules"', '[connector.power_stage]\nbus = "modules"  # CAN 2'),
    )
    path = write(tmp_path, text)
    plan = make_plan(path)
    assert plan.comments_kept
    assert comments(plan.files[path]) == comments(text)
    for line in ("# maximum_power_w = 40000", "# [[auxiliary_meter]]", "# a line of its own"):
        assert line in plan.files[path]
    assert "address = 1  # DIP 1" in plan.files[path]
    assert "[[board]]  # in the cabinet" in plan.files[path]


def test_a_meter_at_the_grid_side_between_the_sections_of_the_connector(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\[\[auxiliary_meter\]\]|role =|bus =|address =|model =|nominal)", r"\1", CHARGER)
    site = migrate(write(tmp_path, text))
    assert [entry.model for entry in site.settings.auxiliary_meter] == ["eastron-sdm630"]
    assert site.connectors[0].settings.insulation_monitor is not None


def test_twice_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, CHARGER)
    migrate(path)
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    assert make_plan(path).files == {}
    write_plan(make_plan(path))
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_an_earlier_backup_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path, CHARGER)
    (tmp_path / "pile.toml.schema1").write_text("of another day", encoding="utf-8")
    assert write_plan(make_plan(path)) == [tmp_path / "pile.toml.schema1.2"]
    assert (tmp_path / "pile.toml.schema1").read_text(encoding="utf-8") == "of another day"
    assert (tmp_path / "pile.toml.schema1.2").read_text(encoding="utf-8") == CHARGER


def test_mode_of_the_file_stays(tmp_path: Path) -> None:
    path = write(tmp_path, CHARGER)
    path.chmod(0o640)
    migrate(path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["pile.toml", "pile.toml.schema1"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("relay_address = 1", "relay_adress = 1", "connector.inputs_outputs.relay_adress"),
        ("relay_address = 1", "relay_address = 300", "connector.inputs_outputs.relay_address"),
        ("analog_address = 2", "analog_address = 1", "connector.inputs_outputs.analog_address"),
        (
            '[connector.power_stage]\nbus = "modules"',
            '[connector.power_stage]\nbus = "vehicle"',
            "connector.power_stage.bus",
        ),
        ('[connector.power_stage]\nbus = "modules"', "", "connector.power_stage"),
        ('vehicle_bus = "vehicle"', 'vehicle_bus = "vehicel"', "connector.vehicle_bus"),
        ('board = "waveshare-rs485"', 'board = "gone"', "connector.inputs_outputs.board"),
        ("cycle_ms = 10", "cycle_ms = 1", "control.cycle_ms"),
        ("schema = 1", "schema = 3", "schema"),
        ("schema = 1\n", "", "schema"),
        ("schema = 1", "schema = ", "line 6"),
        ("[connector]\n", "[connector_]\n", "connector_"),
    ],
)
def test_a_broken_file_is_refused_and_left_as_it_is(tmp_path: Path, old: str, new: str, place: str) -> None:
    text = CHARGER.replace(old, new, 1)
    assert text != CHARGER
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        make_plan(path)
    assert any(problem.place.startswith(place) for problem in caught.value.problems), str(caught.value)
    assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_byte_order_mark_and_ends_of_lines_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    path.write_bytes(b"\xef\xbb\xbf" + CHARGER.replace("\n", "\r\n").encode())
    site = migrate(path)
    assert site.settings.pile.id == "SX-0001"
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert comments(content.decode()) == comments(CHARGER)


def test_a_byte_order_mark_alone_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    example = (Path(__file__).parents[2] / "config" / "site-example.toml").read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + example)
    assert load_site(path).settings.pile.id == "SX-0001"


def test_lines_too_unusual_lose_their_comments_only(tmp_path: Path) -> None:
    # The same content with dotted keys: no line to edit.
    head, _, rest = CHARGER.partition("[connector.power_stage]\n")
    text = head + rest.partition('bus = "modules"\n')[2]
    text = changed(text, ("[connector]\n", '[connector]\npower_stage.bus = "modules"\n'))
    path = write(tmp_path, text)
    plan = make_plan(path)
    assert not plan.comments_kept
    write_plan(plan)
    same_values(path, tomllib.loads(text))
    assert load_site(path).connectors[0].groups[0].settings.bus == "modules"
    assert (tmp_path / "pile.toml.schema1").read_text(encoding="utf-8") == text


BOARD = (HERE / "boards" / "waveshare-rs485.toml").read_text(encoding="utf-8").replace('"waveshare-rs485"', '"own"')


def test_an_own_board_file_becomes_a_wiring(tmp_path: Path) -> None:
    own = changed(
        BOARD,
        ("fan = { channel = 6", "fan = { channel = 7"),
        ("fault_lamp = { channel = 7", "fault_lamp = { channel = 6"),
    )
    path = write(tmp_path, changed(CHARGER, ('board = "waveshare-rs485"', 'board = "own"')), own_board=own)
    (connector,) = migrate(path).connectors
    assert connector.wiring is not None
    assert (connector.wiring.outputs["fan"].channel, connector.wiring.outputs["fault_lamp"].channel) == (7, 6)
    assert connector.boards["io"].model.id == "waveshare-relay-8ch-d"
    wiring = (tmp_path / "wiring" / "own.toml").read_text(encoding="utf-8")
    assert comments(wiring) == comments(own)
    assert (tmp_path / "boards" / "own.toml.schema1").read_text(encoding="utf-8") == own
    assert not (tmp_path / "boards" / "own.toml").exists()


def test_an_own_board_file_with_another_pulse_becomes_a_board_too(tmp_path: Path) -> None:
    own = changed(BOARD, ("pulse_100ms = 10", "pulse_100ms = 12"))
    path = write(tmp_path, changed(CHARGER, ('board = "waveshare-rs485"', 'board = "own"')), own_board=own)
    (connector,) = migrate(path).connectors
    model = connector.boards["io"].model
    assert model.id == "own-relay"
    assert isinstance(model.outputs, ModbusOutputs)
    assert model.outputs.pulse is not None
    assert (model.outputs.pulse.units, model.outputs.pulse.renew_interval_ms) == (12, 300)


def test_a_wrong_own_board_file_is_refused(tmp_path: Path) -> None:
    own = changed(BOARD, ("pulse_100ms = 10", "puls_100ms = 10"))
    path = write(tmp_path, changed(CHARGER, ('board = "waveshare-rs485"', 'board = "own"')), own_board=own)
    with pytest.raises(SettingsError, match="puls_100ms"):
        make_plan(path)
    assert not (tmp_path / "wiring").exists()


def test_an_own_profile_gets_sensors_and_a_group(tmp_path: Path) -> None:
    (tmp_path / "piles").mkdir()
    profile = tmp_path / "piles" / "dc-40kw.toml"
    profile.write_text(
        '# Ours. 自用\nschema = 1\nid = "dc-40kw"\ndescription = "40 kW"  # the small one\nkind = "dc"\n'
        "maximum_power_w = 40000\nmaximum_voltage_v = 750.0\nminimum_voltage_v = 200.0\nmaximum_current_a = 100.0\n"
        "minimum_current_a = 1.0\nmodule_count = 3",
        encoding="utf-8",
    )
    before = profile.read_bytes()
    path = write(tmp_path, changed(CHARGER, ('profile = "dc-60kw"', 'profile = "dc-40kw"')))
    site = migrate(path)
    assert site.profile.connectors == 1
    assert site.connectors[0].groups[0].module_count == 3
    assert (site.profile.group[0].maximum_power_w, site.profile.group[0].maximum_current_a) == (40000, 100.0)
    assert comments(profile.read_text(encoding="utf-8")) == ["# Ours. 自用", "# the small one"]
    assert (tmp_path / "piles" / "dc-40kw.toml.schema1").read_bytes() == before


def test_a_profile_alone_is_converted_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, changed(CHARGER, ('profile = "dc-60kw"', 'profile = "own"')))
    (tmp_path / "piles").mkdir()
    profile = tmp_path / "piles" / "own.toml"
    text = "maximum_power_w = 60000\nmaximum_voltage_v = 750\nminimum_voltage_v = 200\nmaximum_current_a = 100\n"
    profile.write_text(
        f'schema = 1\nid = "own"\ndescription = "x"\nkind = "dc"\n{text}minimum_current_a = 1\nmodule_count = 2\n',
        encoding="utf-8",
    )
    migrate(path)
    shutil.copy(tmp_path / "piles" / "own.toml.schema1", profile)
    with pytest.raises(SettingsError, match=r"piles/own\.toml: schema: the file has the old layout 1"):
        load_site(path)
    plan = make_plan(path)
    assert list(plan.files) == [profile]
    write_plan(plan)
    assert load_site(path).profile.id == "own"


@pytest.mark.parametrize(
    ("old", "new", "wiring", "board"),
    [
        ("address = 1\nemergency", "address = 4\nemergency", "listener-contacts", "modbus-inputs-8ch"),
        ("door_open = { channel = 1", "door_open = { channel = 5", "own-contacts", "modbus-inputs-8ch"),
        ("address = 1\nemergency", "address = 1\nchannels = 16\nemergency", "listener-contacts", "modbus-inputs-16ch"),
        ("smoke_detected =", "# smoke_detected =", "own-contacts", "modbus-inputs-8ch"),
    ],
)
def test_the_contacts_of_a_listener(tmp_path: Path, old: str, new: str, wiring: str, board: str) -> None:
    text = changed(LISTENER, (old, new))
    old_inputs = tomllib.loads(text)["connector"]["inputs"]
    (connector,) = migrate(write(tmp_path, text)).connectors
    assert connector.wiring is not None
    assert (connector.wiring.id, connector.boards["inputs"].model.id) == (wiring, board)
    assert {name: (wire.channel, wire.active_low) for name, wire in connector.wiring.inputs.items()} == {
        name: (old_inputs[name]["channel"], old_inputs[name]["active_low"])
        for name in ("emergency_stop_pressed", "door_open", "smoke_detected")
        if name in old_inputs
    }
    assert connector.boards["inputs"].settings.address == old_inputs["address"]
    assert connector.boards["inputs"].interval_s == 0.1


def test_a_listener_without_contacts(tmp_path: Path) -> None:
    head, _, rest = LISTENER.partition("[connector.inputs]")
    (connector,) = migrate(write(tmp_path, head + rest[rest.index("# Prices") :])).connectors
    assert connector.wiring is None
    assert connector.boards == {}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters='"\\\n\r', exclude_categories=("Cs", "Cc"))))
def test_a_comment_behind_a_value_is_found_and_nothing_else(words: str) -> None:
    assert comment_of(f'"{words}"') == ""
    assert comment_of(f'"#{words}"  # {words}') == f"# {words}".strip()
