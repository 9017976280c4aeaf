"""The documents that are written from the code are up to date."""

from pathlib import Path

import pytest

from agent.cli import document as commands
from agent.settings.files import load_fault_catalogue
from scripts.documents import settings

DOCUMENTS = {path.name: (path, text) for path, text in settings.documents().items()}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_of_configuration_and_faults_are_up_to_date(name: str) -> None:
    path, text = DOCUMENTS[name]
    assert path.read_text(encoding="utf-8") == text, "write them: python -m scripts.documents.settings"


def test_the_document_of_commands_is_up_to_date() -> None:
    assert commands.PATH.read_text(encoding="utf-8") == commands.text(), "write it: python -m agent.cli.document"


def test_every_fault_can_be_linked_to() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    for fault_id in load_fault_catalogue(ROOT / "config" / "faults.toml"):
        assert f"\n## {fault_id}\n" in text
