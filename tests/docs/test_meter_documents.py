"""docs/meters.md and the schema for editors are written from the maps and their types, and are up to date."""

import copy
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scripts.documents import __main__ as writers
from scripts.documents import meters as meter_document

ROOT = Path(__file__).parents[2]
MAPS = sorted((ROOT / "config" / "meters").glob("*.toml"))
DOCUMENTS = meter_document.documents()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_written_from_the_maps_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path], "write it: make docs"


def test_the_script_writes_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_document, "SCHEMA_PATH", tmp_path / "schemas" / "map.json")
    monkeypatch.setattr(meter_document, "DOCUMENT_PATH", tmp_path / "meters.md")
    assert writers.main(["meters"]) == 0
    assert (tmp_path / "meters.md").read_text(encoding="utf-8") == meter_document.document_text()
    assert (tmp_path / "schemas" / "map.json").read_text(encoding="utf-8") == meter_document.schema_text()


def test_every_map_and_every_signal_is_told() -> None:
    text = meter_document.document_text()
    for meter_map in meter_document.maps():
        part = text.partition(f"\n## {meter_map.id}\n")[2].partition("\n## ")[0]
        assert meter_map.description in part
        assert meter_map.description_zh in part
        quantities = getattr(meter_map, "fields", None) or getattr(meter_map, "items", [])
        for quantity in quantities:
            assert f"`{quantity.signal}`" in part
            if quantity.disputed is not None:
                assert quantity.disputed.en in part
        for entry in meter_map.never_write:
            assert entry.why.en in part
            assert f"0x{entry.first:04X}" in part
        for text_of in (*meter_map.wiring, *meter_map.checks):
            assert text_of.en in part
            assert text_of.zh in part


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(meter_document.schema_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem)
def test_an_editor_accepts_every_shipped_map(validator: Any, path: Path) -> None:
    assert path.read_text(encoding="utf-8").splitlines()[0] == "#:schema ../schemas/meter-map.schema.json"
    assert (path.parent / "../schemas/meter-map.schema.json").resolve() == meter_document.SCHEMA_PATH
    validator.validate(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("key", "value"),
    [("sauce", "x"), ("maximum_registers", 126), ("writable", True), ("schema", 1), ("protocol", "dlt645-2007")],
)
def test_an_editor_marks_what_is_wrong(validator: Any, key: str, value: object) -> None:
    data = tomllib.loads((ROOT / "config" / "meters" / "eastron-sdm630.toml").read_text(encoding="utf-8"))
    assert validator.is_valid(data)
    assert not validator.is_valid({**data, key: value})
    wrong = copy.deepcopy(data)
    wrong["fields"][0]["registre"] = 1
    assert not validator.is_valid(wrong)


def test_the_field_process_loads_neither_schema_nor_documents() -> None:
    code = (
        "import sys; import agent.field.process, agent.field.assembly; "
        "print(*[name for name in ('difflib', 'jsonschema', 'agent.cli.meter.words', "
        "'agent.cli.meter.check', 'agent.cli.meter.commands') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == ""
