"""docs/uplink.md and its JSON Schema are written from agent.vocabulary, up to date, and true to every example."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from agent.vocabulary import bodies, event_bodies, events, kinds, messages, reasons, table
from agent.vocabulary.check import keys_of, problems
from drivers.gbt27930.messages.table import MESSAGES
from scripts.documents import __main__ as writers
from scripts.documents import uplink as writer
from scripts.documents import uplink_examples as examples

ROOT = Path(__file__).parents[2]


DOCUMENTS: dict[Path, str] = writer.documents()
SCHEMA: dict[str, Any] = json.loads(DOCUMENTS[writer.SCHEMA])
BODIES = [
    *((kind, body) for kind, body in examples.KINDS.items()),
    *((kinds.EVENT, {"event": name, **body}) for name, body in examples.EVENTS.items()),
    *((kinds.AUDIT, {"audit": name, **body}) for name, body in examples.AUDITS.items()),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_written_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path], "make docs"


def test_the_writer_writes_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writer, "DOCUMENT", tmp_path / "uplink.md")
    monkeypatch.setattr(writer, "SCHEMA", tmp_path / "schemas" / "uplink.schema.json")
    assert writers.main(["uplink"]) == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*")}
    assert written == {path.name: text for path, text in DOCUMENTS.items()}


def test_every_kind_event_and_audit_has_an_example_and_a_body() -> None:
    assert set(examples.KINDS) == set(kinds.KINDS) - {kinds.EVENT, kinds.AUDIT}
    assert set(examples.EVENTS) == set(events.EVENTS) == set(table.EVENT_BODIES)
    assert set(examples.AUDITS) == set(kinds.AUDITS) == set(table.AUDIT_BODIES)
    assert set(table.BODIES) == set(kinds.KINDS)


@pytest.mark.parametrize(("kind", "body"), BODIES, ids=lambda part: part if isinstance(part, str) else "")
def test_every_example_fits_the_table_and_the_schema(kind: str, body: dict[str, Any]) -> None:
    assert problems(kind, body) == []
    message = {**examples.ENVELOPE, "k": kind, "s": kinds.stream_of(kind), "d": body}
    _validate("Record", message)
    with pytest.raises(jsonschema.ValidationError):
        _validate("Record", {**message, "d": {"no": "body"}} if not _all_optional(kind) else {**message, "d": 5})


def _all_optional(kind: str) -> bool:
    return kind in (kinds.SESSION_VEHICLE, kinds.SESSION_PROGRESS)


def _validate(name: str, content: Any) -> None:
    jsonschema.validate(content, {**SCHEMA, "$ref": f"#/$defs/{name}"})


def test_the_messages_fit_their_classes_and_the_schema() -> None:
    for content, form in (
        (examples.ENVELOPE, messages.Envelope),
        (examples.RESPONSE, messages.Response),
        (examples.BIRTH, messages.Birth),
        (examples.FAREWELL, messages.Farewell),
        (examples.COMMAND, messages.CommandMessage),
    ):
        whole = json.loads(msgspec.json.encode(msgspec.convert(content, form)))
        assert {key: whole[key] for key in content} == content
        _validate(form.__name__, content)
    _validate("Watermarks", examples.WATERMARKS)
    for wrong in ({"id": "a b", "name": "start"}, {"id": "c", "name": "stop", "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            _validate("CommandMessage", wrong)


def test_every_word_and_key_is_in_the_document() -> None:
    text = DOCUMENTS[writer.DOCUMENT]
    for words in (kinds.KINDS, kinds.AUDITS, events.EVENTS, reasons.STOP_REASONS, reasons.REFUSALS):
        for word in words:
            assert f"`{word}`" in text, word
    for variants in table.BODIES.values():
        for variant in variants:
            for key in keys_of(variant.body):
                assert f"| `{key}` |" in text, key
    assert "| - | required |  |" not in text, "a key without meaning"


def test_every_key_has_both_meanings() -> None:
    for name, definition in SCHEMA["$defs"].items():
        for key, form in definition.get("properties", {}).items():
            if "enum" in form and len(form["enum"]) == 1 and "description" not in form:
                continue
            assert writer._found(form, "description"), f"{name}.{key}"
            assert writer._found(form, "x-zh"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("message", "body"),
    [("BRM", bodies.SessionVehicle), ("BCP", event_bodies.Battery), ("CML", event_bodies.ChargerLimits)],
)
def test_what_is_recorded_of_a_vehicle_s_message_are_its_fields(message: str, body: Any) -> None:
    (found,) = [each for each in _all_messages() if each.name == message]
    assert set(keys_of(body)) - {"event"} == {field.name for field in found.fields}


def _all_messages() -> list[Any]:
    found: list[Any] = []
    for entry in MESSAGES.values():
        found += list(entry.values()) if hasattr(entry, "values") else [entry]
    return found


def test_the_numbers_of_the_prose_are_those_of_the_code() -> None:
    text = DOCUMENTS[writer.DOCUMENT]
    assert f"at most {messages.MAXIMUM_BYTES} bytes" in text
    assert f"at most {messages.LONGEST_VALIDITY_MS // 1000} s ahead" in text
    topics = messages.Topics("{operator}", "{pile}")
    for topic in (topics.up("{stream}"), topics.birth, topics.response, topics.command, topics.watermark):
        assert f"`{topic}`" in text
