"""docs/uplink.md and config/schemas/uplink.schema.json, from agent.vocabulary."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent.vocabulary import events, former, kinds, messages, reasons, states, table
from drivers.text import Text
from scripts.documents import uplink_examples as examples

ROOT = Path(__file__).resolve().parents[2]

DOCUMENT = ROOT / "docs" / "uplink.md"
SCHEMA = ROOT / "config" / "schemas" / "uplink.schema.json"

_MESSAGES: tuple[tuple[str, Any, str, Mapping[str, Any]], ...] = (
    ("Record", messages.Envelope, "up/{stream}", examples.ENVELOPE),
    ("Answer to a command", messages.Response, "up/rsp", examples.RESPONSE),
    ("Birth", messages.Birth, "up/birth", examples.BIRTH),
    ("Farewell and will", messages.Farewell, "up/birth", examples.FAREWELL),
    ("Command", messages.CommandMessage, "down/cmd", examples.COMMAND),
)

_HEAD = (ROOT / "scripts" / "documents" / "uplink_head.md").read_text(encoding="utf-8")
"""The prose of the document; numbers and names are filled in."""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _type(schema: Mapping[str, Any]) -> str:
    """The type of a key in words, with its range."""
    if "$ref" in schema:
        return f"[{_name(schema['$ref'])}](#{_name(schema['$ref']).lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("items") or {}
        return "list" if not items else f"list of {_type(items)}"
    if kind == "object" and schema.get("additionalProperties"):
        return f"map to {_type(schema['additionalProperties'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    ends = "" if low is None and high is None else f" {'' if low is None else low}..{'' if high is None else high}"
    return f"{kind}{ends}"


def _found(schema: Mapping[str, Any], key: str) -> str:
    """An annotation of a key, also if it is within a union."""
    if key in schema:
        return str(schema[key])
    return next((found for part in schema.get("anyOf", ()) if (found := _found(part, key))), "")


def _unit(schema: Mapping[str, Any]) -> str:
    """The unit of a key, also of the values of a map."""
    inner = schema.get("additionalProperties")
    return _found(schema, "x-unit") or (_unit(inner) if isinstance(inner, Mapping) else "")


def _keys(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", ())
    lines = ["| key | type and range | unit | | meaning | 含义 |", "|---|---|---|---|---|---|"]
    for key, form in schema["properties"].items():
        need = "required" if key in required else "optional"
        meaning, meaning_zh = _found(form, "description"), _found(form, "x-zh")
        if "enum" in form and not meaning:
            meaning, meaning_zh = "name of this form", "本形式的名称"
        lines.append(
            f"| `{key}` | {_cell(_type(form))} | {_unit(form) or '-'} | {need} | {_cell(meaning)} | {meaning_zh} |"
        )
    return lines


def _example(content: Mapping[str, Any]) -> list[str]:
    return ["", "```json", json.dumps(content, ensure_ascii=False), "```", ""]


def _definitions() -> dict[str, Any]:
    """Schemas of all classes, keyed by name."""
    classes = [entry[1] for entry in _MESSAGES] + [messages.Oversize]
    classes += [variant.body for variants in table.BODIES.values() for variant in variants]
    _, found = msgspec.json.schema_components(classes, ref_template="#/$defs/{name}")
    return found


def _class_name(body: Any) -> str:
    return str(body.__name__)


def _words(title: str, texts: Mapping[str, Text], head: str = "code") -> list[str]:
    lines = [f"### {title}", "", f"| {head} | meaning | 含义 |", "|---|---|---|"]
    return [*lines, *(f"| `{code}` | {_cell(text.en)} | {text.zh} |" for code, text in texts.items()), ""]


def _forms(kind: str) -> Iterable[tuple[str, Any, Mapping[str, Any] | None]]:
    """Title, class and example of each form of a kind."""
    for variant in table.BODIES[kind]:
        if kind == kinds.EVENT:
            yield f"event `{variant.value}`", variant.body, {"event": variant.value, **examples.EVENTS[variant.value]}
        elif kind == kinds.AUDIT:
            yield f"audit `{variant.value}`", variant.body, {"audit": variant.value, **examples.AUDITS[variant.value]}
        elif variant.key:
            yield f"`{kind}` with `{variant.key}` = `{variant.value}`", variant.body, None
        else:
            yield f"`{kind}`", variant.body, examples.KINDS[kind]


def _records(definitions: Mapping[str, Any]) -> list[str]:
    lines = ["## Kinds", "", "| kind | stream | since | meaning | 含义 |", "|---|---|---|---|---|"]
    for kind, row in kinds.KINDS.items():
        lines.append(f"| `{kind}` | {row.stream} | {row.since} | {row.text.en} | {row.text.zh} |")
    lines += ["", "Former names, as records of earlier versions carry them: "]
    lines[-1] += ", ".join(f"`{old}` (now `{new}`)" for old, new in {**former.KINDS, **former.FAULTS}.items()) + "."
    lines += ["", "Integers are scaled as their unit shows: 4003 in `0.1 V` is 400.3 V. Unknown values are absent.", ""]
    for kind in kinds.KINDS:
        for title, body, example in _forms(kind):
            lines += [f"### {title}", "", body.__doc__, "", *_keys(definitions[_class_name(body)])]
            lines += _example(example) if example is not None else [""]
    top = {_class_name(variant.body) for variants in table.BODIES.values() for variant in variants}
    top |= {_class_name(entry[1]) for entry in _MESSAGES}
    lines += ["## Parts of bodies and messages", ""]
    for name in sorted(set(definitions) - top):
        lines += [f"### {name}", "", definitions[name]["description"], "", *_keys(definitions[name]), ""]
    return lines


def document_text() -> str:
    """docs/uplink.md."""
    definitions = _definitions()
    streams = ", ".join(f"`{stream}`" for stream in kinds.STREAMS)
    values = {"maximum": messages.MAXIMUM_BYTES, "scheme": messages.SCHEME, "streams": streams}
    lines = _HEAD.format(**values, validity=messages.LONGEST_VALIDITY_MS // 1000).splitlines()
    lines += ["", "## Messages", ""]
    for title, body, topic, example in _MESSAGES:
        lines += [f"### {title}", "", f"Topic `{topic}`. {body.__doc__}", "", *_keys(definitions[_class_name(body)])]
        lines += _example(example)
    lines += ["### Watermarks", "", "Topic `down/wm`. By stream: everything up to this number is kept."]
    lines += [*_example(examples.WATERMARKS), *_records(definitions), "## Words", ""]
    lines += _words("Stop reasons", reasons.STOP_REASONS)
    lines += ["Every other stop reason is a fault id (`docs/faults.md`).", ""]
    lines += _words("Refusals", reasons.REFUSALS)
    lines += _words("Refusals of the permission", reasons.PERMISSION_REASONS)
    lines += _words("States", states.STATES, "state")
    lines += _words("Quality of the clock", states.CLOCK_QUALITIES, "quality")
    lines += _words("Events", events.EVENTS, "event")
    return "\n".join(lines).rstrip() + "\n"


def schema_text() -> str:
    """config/schemas/uplink.schema.json: all classes, and which body belongs to which kind."""
    definitions = _definitions()
    definitions["Watermarks"] = msgspec.json.schema(messages.Watermarks)
    bodies = []
    for kind, variants in table.BODIES.items():
        refs = [{"$ref": f"#/$defs/{_class_name(variant.body)}"} for variant in variants]
        body = {"anyOf": [*refs, {"$ref": "#/$defs/Oversize"}]}
        names = {"enum": [kind, *(old for old, new in former.KINDS.items() if new == kind)]}
        bodies.append({"if": {"properties": {"k": names}}, "then": {"properties": {"d": body}}})
    definitions["Record"] = {"allOf": [{"$ref": "#/$defs/Envelope"}, *bodies]}
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages between a pile and its platform; see docs/uplink.md",
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def documents() -> dict[Path, str]:
    """Path and text of everything that is written."""
    return {DOCUMENT: document_text(), SCHEMA: schema_text()}
