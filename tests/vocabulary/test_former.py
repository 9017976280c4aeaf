"""Former names of kinds and faults: records, own catalogues and views of earlier versions still read."""

import json
from pathlib import Path

import pytest

from agent.cli.words import Speaker
from agent.settings.files import load_fault_catalogue
from agent.settings.problems import SettingsError
from agent.vocabulary import bodies, former, kinds, table
from agent.vocabulary.kinds import KINDS

CONFIG = Path(__file__).parents[2] / "config"
FAULTS = load_fault_catalogue(CONFIG / "faults.toml")


def test_each_former_name_has_a_name_of_today_and_is_none_itself() -> None:
    assert set(former.KINDS.values()) <= set(KINDS)
    assert not set(former.KINDS) & set(KINDS)
    assert set(former.FAULTS.values()) <= set(FAULTS)
    assert not set(former.FAULTS) & set(FAULTS)
    assert former.kind_of_today("telemetry") == "telemetry"
    assert former.fault_of_today("door_open") == "door_open"


def test_a_record_of_the_former_kind_has_the_body_of_today() -> None:
    found = table.variant_of("register_frozen", {})
    assert found is not None
    assert found.body is bodies.RegisterSnapshot
    assert kinds.stream_of("register_frozen") == kinds.stream_of(kinds.REGISTER_SNAPSHOT)


def test_the_schema_takes_the_former_kind() -> None:
    schema = json.loads((CONFIG / "schemas" / "uplink.schema.json").read_text(encoding="utf-8"))
    names = [part["if"]["properties"]["k"]["enum"] for part in schema["$defs"]["Record"]["allOf"] if "if" in part]
    assert ["register_snapshot", "register_frozen"] in names
    assert ["telemetry"] in names


@pytest.mark.parametrize("old", former.FAULTS)
def test_a_former_fault_id_has_its_text_and_hint(old: str) -> None:
    fault = FAULTS[former.FAULTS[old]]
    speaker = Speaker("en", FAULTS)
    assert speaker.fault(old) == fault.text_en
    assert speaker.hint(old) == fault.hint_en
    assert speaker.reason(old) == fault.text_en


def test_an_own_catalogue_with_a_former_id_is_read(tmp_path: Path) -> None:
    text = (CONFIG / "faults.toml").read_text(encoding="utf-8")
    path = tmp_path / "faults.toml"
    path.write_text(text.replace('id = "bms_data_stuck"', 'id = "bms_data_frozen"'), encoding="utf-8")
    assert load_fault_catalogue(path) == FAULTS


def test_a_former_id_beside_that_of_today_is_refused(tmp_path: Path) -> None:
    text = (CONFIG / "faults.toml").read_text(encoding="utf-8")
    path = tmp_path / "faults.toml"
    path.write_text(text.replace('id = "meter_register_stuck"', 'id = "bms_data_frozen"'), encoding="utf-8")
    with pytest.raises(SettingsError, match="bms_data_stuck"):
        load_fault_catalogue(path)
