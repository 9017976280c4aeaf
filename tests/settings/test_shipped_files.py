"""Every shipped data file is loaded and checked, and its content pinned where a change would be felt in the field."""

from pathlib import Path

import msgspec
import pytest

from agent.control.listener.faults import FAULT_IDS
from agent.control.safety.requirements import FULL_INPUTS
from agent.control.safety.rules import EVENT_FAULTS, RULES
from agent.settings import catalogue, schema
from agent.settings.files import (
    data_folder,
    find_data_file,
    load_fault_catalogue,
    load_profile,
    load_tariff,
)
from agent.settings.load import SettingsError, load_site
from agent.settings.wiring import load_board_model, load_insulation_map, load_power_model, load_wiring
from agent.vocabulary.signals import ANALOG_INPUTS, DISCRETE_INPUTS, SIGNALS
from drivers.inputs_outputs.board_model import ModbusBoardModel

CONFIG = Path(__file__).parents[2] / "config"
FAULTS = load_fault_catalogue(CONFIG / "faults.toml")

# id: level, action, clear, debounce_s, threshold, unit. A changed row changes what a pile does: do it on purpose.
PINNED: dict[str, tuple[int, str, str, float, float | None, str]] = {
    "emergency_stop": (1, "open", "local", 0.0, None, ""),
    "door_open": (1, "open", "self", 0.01, None, ""),
    "smoke": (1, "open", "local", 1.0, None, ""),
    "inputs_lost": (1, "open", "self", 0.0, None, ""),
    "insulation_fault": (1, "open", "unplug", 0.0, None, ""),
    "insulation_warning": (3, "log", "self", 1.0, None, ""),
    "insulation_monitor_lost": (2, "stop", "self", 0.0, 6.0, "s"),
    "contactor_refuses": (2, "open", "unplug", 1.0, None, ""),
    "contactor_welded": (1, "open", "local", 1.0, None, ""),
    "output_over_voltage": (1, "open", "unplug", 0.4, None, ""),
    "output_over_current": (1, "open", "unplug", 1.0, None, ""),
    "over_temperature": (1, "stop", "self", 3.0, 95.0, "degC"),
    "temperature_high": (2, "derate", "self", 1.0, 85.0, "degC"),
    "outside_voltage_present": (1, "inhibit", "self", 3.0, None, ""),
    "residual_voltage": (1, "inhibit", "self", 1.0, None, ""),
    "precharge_failed": (2, "stop", "unplug", 0.0, None, ""),
    "reverse_polarity": (1, "open", "unplug", 0.0, None, ""),
    "current_absent": (3, "stop", "self", 0.0, 30.0, "s"),
    "lock_lost": (2, "stop", "unplug", 0.3, None, ""),
    "connector_unplugged": (1, "open", "unplug", 0.0, None, ""),
    "parameter_mismatch": (2, "stop", "unplug", 0.0, None, ""),
    **{
        f"bms_timeout_{message}": (2, "stop", "unplug", 0.0, None, "")
        for message in ("bhm", "brm", "bcp", "bro", "bcs", "bcl", "bsm", "bst", "bsd")
    },
    "inrush_excessive": (2, "open", "unplug", 0.0, None, ""),
    "vehicle_protocol_2011": (3, "stop", "unplug", 0.0, None, ""),
    "bms_message_unusable": (3, "log", "self", 0.0, None, ""),
    "bms_demand_beyond_limits": (3, "log", "self", 1.0, None, ""),
    "demand_below_minimum": (3, "stop", "self", 5.0, None, ""),
    "bms_data_stuck": (2, "stop", "unplug", 0.0, None, ""),
    "bms_measurement_differs": (3, "log", "self", 0.0, None, ""),
    "bms_soc_jump": (3, "log", "self", 0.0, None, ""),
    "bms_error_message": (2, "stop", "unplug", 0.0, None, ""),
    "bms_fault": (1, "stop", "unplug", 0.0, None, ""),
    "bms_not_ready": (2, "stop", "unplug", 0.0, None, ""),
    "bms_limits_violated": (1, "stop", "unplug", 0.6, None, ""),
    "vehicle_bus_lost": (2, "stop", "self", 1.0, None, ""),
    "vehicle_bus_off": (2, "stop", "self", 0.5, None, ""),
    "vehicle_bus_error_passive": (3, "log", "self", 5.0, None, ""),
    "module_bus_off": (2, "stop", "self", 0.5, None, ""),
    "auxiliary_supply_fault": (2, "stop", "unplug", 0.5, None, ""),
    "meter_lost": (2, "stop", "self", 0.0, 10.0, "s"),
    "meter_abnormal": (2, "stop", "self", 0.0, None, ""),
    "meter_register_stuck": (2, "stop", "self", 0.0, 50.0, "Wh"),
    "meter_register_moved": (3, "log", "local", 0.0, None, ""),
    "meter_unit_unproven": (3, "log", "self", 0.0, None, ""),
    "meter_verification_due": (3, "log", "self", 0.0, 60.0, "d"),
    "meter_verification_near": (3, "log", "self", 0.0, 30.0, "d"),
    "meter_verification_expired": (3, "log", "self", 0.0, None, ""),
    "meter_verification_refused": (2, "inhibit", "self", 0.0, None, ""),
    "power_quality_voltage": (3, "log", "self", 0.0, None, ""),
    "power_quality_frequency": (3, "log", "self", 0.0, None, ""),
    "power_quality_unbalance": (3, "log", "self", 0.0, None, ""),
    "power_quality_harmonics": (3, "log", "self", 0.0, None, ""),
    "power_stage_lost": (2, "stop", "self", 0.0, 3.0, "s"),
    "power_stage_fault": (2, "stop", "self", 1.0, None, ""),
    "allocation_contactor_welded": (2, "stop", "local", 0.0, None, ""),
    "allocation_contactor_refuses": (2, "derate", "self", 0.0, None, ""),
    "allocation_feedback_lost": (2, "derate", "self", 0.0, None, ""),
    "allocation_voltage_mismatch": (3, "log", "self", 0.0, None, ""),
    "allocation_current_remains": (2, "stop", "self", 0.0, None, ""),
    "power_share_expired": (2, "stop", "self", 1.0, None, ""),
    "incomer_overload": (2, "stop", "self", 10.0, None, ""),
    "charger_fault": (2, "log", "unplug", 0.0, None, ""),
    "measurements_disagree": (2, "log", "self", 10.0, None, ""),
    "protocol_violation": (3, "log", "self", 0.0, None, ""),
    "listen_only_off": (3, "log", "self", 0.0, None, ""),
    "recorder_lost": (2, "stop", "self", 0.0, 60.0, "s"),
    "recorder_absent": (2, "inhibit", "self", 0.0, None, ""),
    "start_timeout": (3, "stop", "self", 0.0, None, ""),
    "record_damaged": (2, "log", "self", 0.0, None, ""),
    "uplink_lost": (3, "log", "self", 60.0, None, ""),
    "clock_unset": (3, "log", "self", 0.0, None, ""),
    "control_restarted": (3, "log", "self", 0.0, None, ""),
    "internal_error": (1, "open", "local", 0.0, None, ""),
}


def test_the_fault_catalogue_is_pinned() -> None:
    shipped = {
        fault.id: (fault.level, fault.action, fault.clear, fault.debounce_s, fault.threshold, fault.unit)
        for fault in FAULTS.values()
    }
    # A new fault is watched in its scene (tests/control/test_every_fault.py); one that is pinned keeps what it does.
    assert {fault_id: shipped.get(fault_id) for fault_id in PINNED} == PINNED


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_explains_itself_in_both_languages(fault: catalogue.Fault) -> None:
    for chinese, english, least in ((fault.text_zh, fault.text_en, 4), (fault.hint_zh, fault.hint_en, 15)):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
        assert english.isascii()
        assert len(chinese) >= least
        assert len(english) >= least
    assert len(fault.text_en) <= 60, "does not fit a line of the terminal"
    assert fault.source
    assert (fault.threshold is None) == (fault.unit == "")
    if fault.sz77_code is not None:
        assert 1 <= fault.sz77_code <= 31 or 101 <= fault.sz77_code <= 122


def _table(**changes: object) -> dict[str, catalogue.Fault]:
    row = msgspec.structs.replace(FAULTS[str(changes.pop("id"))], **changes)
    return catalogue.fault_table(catalogue.FaultCatalogue(schema=1, fault=[row]))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id": "meter_lost", "threshold": None}, "fault meter_lost has no threshold"),
        ({"id": "meter_lost", "unit": "ms"}, "fault meter_lost: unit must be 's', is 'ms'"),
        ({"id": "door_open", "unit": "s"}, "fault door_open: unit must be '', is 's'"),
        ({"id": "door_open", "threshold": 1.0}, "fault door_open has a threshold that no rule reads"),
    ],
)
def test_a_limit_that_does_not_act_is_refused(changes: dict[str, object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        _table(**changes)
    assert list(_table(id=changes["id"])) == [changes["id"]]


def test_every_limit_that_is_read_is_in_the_catalogue() -> None:
    assert set(catalogue.WITH_THRESHOLD) <= set(FAULTS)
    assert catalogue.threshold_of(FAULTS, "meter_lost") == 10.0
    with pytest.raises(KeyError):
        catalogue.threshold_of({}, "meter_lost")
    with pytest.raises(ValueError, match="its rule needs one"):
        catalogue.threshold_of(FAULTS, "door_open")


def test_personal_safety_never_only_notes() -> None:
    for fault in FAULTS.values():
        assert fault.level > 1 or fault.action in ("open", "stop", "inhibit"), fault.id
        assert fault.level < 3 or fault.action in ("log", "stop"), fault.id


def test_every_fault_of_the_interlocks_is_in_the_catalogue() -> None:
    assert {name for name, _ in RULES} | EVENT_FAULTS <= set(FAULTS)


def test_every_fault_of_a_monitor_is_in_the_catalogue() -> None:
    assert set(FAULTS) >= FAULT_IDS


def test_every_board_delivers_what_the_interlocks_ask_for() -> None:
    wired = {*DISCRETE_INPUTS, *ANALOG_INPUTS}
    assert wired <= set(SIGNALS)
    others = {name for name in FULL_INPUTS if name.startswith(("meter_", "insulation_", "module_", "recorder_"))}
    assert set(FULL_INPUTS) - others <= wired


@pytest.mark.parametrize("path", sorted((CONFIG / "piles").glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_loads(path: Path) -> None:
    assert load_profile(path).id == path.stem


@pytest.mark.parametrize("path", sorted((CONFIG / "boards").glob("*.toml")), ids=lambda path: path.stem)
def test_every_board_loads(path: Path) -> None:
    assert load_board_model(path).id == path.stem


@pytest.mark.parametrize("path", sorted((CONFIG / "wiring").glob("*.toml")), ids=lambda path: path.stem)
def test_every_wiring_loads(path: Path) -> None:
    assert load_wiring(path).id == path.stem


@pytest.mark.parametrize("path", sorted((CONFIG / "insulation_monitors").glob("*.toml")), ids=lambda path: path.stem)
def test_every_insulation_monitor_loads(path: Path) -> None:
    assert load_insulation_map(path).id == path.stem


@pytest.mark.parametrize("path", sorted((CONFIG / "power_modules").glob("*.toml")), ids=lambda path: path.stem)
def test_every_family_of_modules_loads(path: Path) -> None:
    assert load_power_model(path).id == path.stem


@pytest.mark.parametrize("path", sorted((CONFIG / "tariffs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_tariff_loads(path: Path) -> None:
    tariff = load_tariff(path)
    assert tariff.id == path.stem
    assert len(tariff.slots) == 48


def test_the_example_tariff_uses_all_four_rates_and_says_that_it_is_an_example() -> None:
    tariff = load_tariff(CONFIG / "tariffs" / "shanxi-example.toml")
    assert set(tariff.slots) == set(tariff.rates) == {"sharp", "peak", "flat", "valley"}
    assert tariff.description.startswith("EXAMPLE")
    prices = [tariff.rates[name].electricity_e5 for name in ("valley", "flat", "peak", "sharp")]
    assert prices == sorted(set(prices))


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*example*")), ids=lambda path: path.name)
def test_every_example_site_file_is_right(path: Path) -> None:
    site = load_site(path)
    assert site.settings.uplink.tls, "an example must not teach an open connection"


def test_the_example_names_every_key_that_an_installer_must_fill_in() -> None:
    text = (CONFIG / "site-example.toml").read_text(encoding="utf-8")
    for section in schema.Settings.__struct_fields__:
        assert section == "schema" or f"[{section}" in text or f"[[{section}." in text
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text)


def test_defaults_are_pinned() -> None:
    """A changed default changes every pile that did not name the key."""
    defaults = {
        name: msgspec.to_builtins(getattr(schema, name)())
        for name in ("Paths", "Control", "Power", "Tariff", "Limits", "Uplink", "Record")
    }
    assert defaults == {
        "Paths": {"state": "/var/lib/pile-agent", "runtime": "/run/pile-agent"},
        "Control": {"cycle_ms": 10, "real_time_priority": 50, "lock_memory": True},
        "Power": {"policy": "fixed", "incomer_limit_w": None, "default_limit_w": None},
        "Tariff": {"id": "shanxi-example", "utc_offset_minutes": 480},
        "Limits": {
            "connector_temperature_stop_c": None,
            "connector_temperature_derate_c": None,
            "recorder_lost_stop_s": None,
            "start_time_limit_s": 90.0,
        },
        "Uplink": {
            "enabled": True,
            "host": "127.0.0.1",
            "port": 8883,
            "tls": True,
            "ca_file": None,
            "certificate_file": None,
            "key_file": None,
            "keep_alive_s": 60,
            "window": 100,
        },
        "Record": {
            "readings_interval_s": 1,
            "readings_idle_interval_s": 10,
            "telemetry_interval_s": 15,
            "telemetry_idle_interval_s": 300,
            "readings_budget_mb": 2000,
            "minimum_free_mb": 200,
        },
    }
    bus = schema.ModbusBus(name="io", port="/dev/ttyS0")
    assert (bus.baud, bus.parity, bus.stop_bits) == (9600, "N", 1)
    meter = schema.Meter(bus="io")
    assert (meter.address, meter.model, meter.poll_interval_ms, meter.energy_unit_wh) == (
        1,
        "acrel-djsf1352-rn",
        1000,
        1.0,
    )
    monitor = schema.InsulationMonitor(bus="io")
    assert (monitor.address, monitor.model, monitor.poll_interval_ms) == (2, "acrel-aim-d100", 1000)
    modules = schema.ModuleGroup(id="A", bus="io")
    assert (modules.model, modules.command_interval_ms) == ("infypower", 100)
    connector = schema.Connector(vehicle_bus="vehicle")
    assert (connector.number, connector.role, connector.edition) == (1, "charger", "2015")


def test_what_the_boards_are_is_pinned() -> None:
    """Pulse and intervals of the shipped boards: a changed one changes every pile that has such a board."""
    boards = {path.stem: load_board_model(path) for path in (CONFIG / "boards").glob("*.toml")}
    relay = boards["waveshare-relay-8ch-d"]
    assert isinstance(relay, ModbusBoardModel)
    assert relay.outputs is not None
    assert relay.outputs.pulse is not None
    pulse = relay.outputs.pulse
    assert (relay.interval_ms, pulse.units * pulse.unit_ms, pulse.renew_interval_ms) == (20, 1000, 300)
    assert boards["waveshare-analog-8ch"].interval_ms == 50
    assert boards["modbus-inputs-8ch"].interval_ms == 100
    assert boards["modbus-inputs-8ch"].outputs is None


def _broken(folder: Path, source: str, old: str, new: str) -> Path:
    text = (CONFIG / source).read_text(encoding="utf-8")
    assert old in text
    path = folder / Path(source).name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("source", "old", "new", "message"),
    [
        (
            "wiring",
            'contactor_k1 = { board = "io", channel = 0, timed = true',
            'contactor_k1 = { board = "io", channel = 0, timed = false',
            "died",
        ),
        ("wiring", "channel = 1, timed", "channel = 0, timed", "channel 0 is taken by contactor_k1"),
        (
            "wiring",
            'discharge = { board = "io"',
            'discharge = { board = "oi"',
            "unknown name oi; available: analog, io",
        ),
        ("wiring", 'id = "reference-dc"', 'id = "reference"', "not the name of the file"),
        ("wiring", "active_low = true }", "active_low = 1 }", "must be true or false, is 1"),
        ("board", "renew_interval_ms = 300", "renew_interval_ms = 500", "renew"),
        ("board", 'bus = "modbus"', 'bus = "usb"', "is missing or unknown; write modbus or gpio"),
        ("analog", "[analog]", "[inputs]", "inputs"),
    ],
)
def test_a_wrong_board_or_wiring_is_refused(tmp_path: Path, source: str, old: str, new: str, message: str) -> None:
    files = {
        "wiring": ("wiring/reference-dc.toml", load_wiring),
        "board": ("boards/waveshare-relay-8ch-d.toml", load_board_model),
        "analog": ("boards/waveshare-analog-8ch.toml", load_board_model),
    }
    name, loader = files[source]
    with pytest.raises(SettingsError) as caught:
        loader(_broken(tmp_path, name, old, new))
    assert any(message in problem.line() for problem in caught.value.problems), str(caught.value)


def test_a_wrong_profile_is_refused(tmp_path: Path) -> None:
    path = _broken(tmp_path, "piles/dc-60kw.toml", "minimum_voltage_v = 200.0", "minimum_voltage_v = 1000.0")
    with pytest.raises(SettingsError, match="minimum_voltage_v: is not below maximum_voltage_v"):
        load_profile(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"valley", "valley", "valley",', '"valley", "valley",', "slots: must have 48 entries, there are 47"),
        ('"valley", "valley", "valley",', '"vally", "valley", "valley",', "did you mean valley?"),
        ("sharp = {", "shrap = {", "rates.shrap: there is no such key; did you mean sharp?"),
        ("sharp = {", "# sharp = {", "rates.sharp: is missing, but used in slots"),
        ("electricity_e5 = 112000", "electricity_e5 = 1.12", "must be a whole number, is 1.12"),
    ],
)
def test_a_wrong_tariff_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_tariff(_broken(tmp_path, "tariffs/shanxi-example.toml", old, new))
    assert any(message in problem.line() for problem in caught.value.problems), str(caught.value)


def test_a_fault_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = _broken(tmp_path, "faults.toml", 'id = "door_open"', 'id = "emergency_stop"')
    with pytest.raises(SettingsError, match=r"fault\[1\].id: fault emergency_stop is there twice"):
        load_fault_catalogue(path)


def test_the_data_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder() == CONFIG
    monkeypatch.setenv("PILE_AGENT_DATA", str(tmp_path))
    assert data_folder() == tmp_path


def test_the_first_folder_wins(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "piles").mkdir(parents=True)
        (tmp_path / folder / "piles" / "x.toml").touch()
    found, names = find_data_file("piles", "x", [tmp_path / "none", tmp_path / "a", tmp_path / "b"])
    assert found == tmp_path / "a" / "piles" / "x.toml"
    assert names == ["x"]
