from drivers.gbt27930.messages.table import MESSAGES
from scripts.documents.messages import documents, message_document


def test_documents_in_the_tree_are_the_table_s() -> None:
    written = documents()
    assert {path.name for path in written} == {"gbt27930-messages.md", "gbt27930.dbc"}
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: make docs"


def test_document_names_every_message_and_field_in_both_languages() -> None:
    lines = message_document().splitlines()
    for message in MESSAGES.values():
        start = lines.index(f"## {message.name}: {message.en} / {message.zh}")
        rows = lines[start + 4 : start + 6 + len(message.fields)]
        for field, row in zip(message.fields, rows[2:], strict=True):
            assert f"| `{field.name}` | {field.en} / {field.zh} |" in row
            assert f"| {field.spn}" in row


def test_rows_say_what_is_on_the_wire() -> None:
    text = message_document()
    assert "| 3-4 | 16 | 3073 | `current_a` | Current demand / 电流需求 | 0.1 A, offset -400 | 0 to 400 A |" in text
    assert "| 5-6 | 12 | 3077 |" in text
    assert "| 6.5 | 4 | 3077 |" in text
    assert "| 1 | 8 | 3361-3488 |" in text
    assert "10 untrusted / 不可信" in text
    assert "2 constant current / 恒流充电" in text
    assert "Bytes: 49, accepted: 41; every 250 ms." in text
    assert "Bytes: 2 for each of 1 to 256; every 10000 ms. Optional message." in text
