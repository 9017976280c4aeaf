"""The documents that are written from the code are up to date."""

import pytest

from agent.cli import document as commands
from scripts.documents import settings

DOCUMENTS = {path.name: (path, text) for path, text in settings.documents().items()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_of_configuration_is_up_to_date(name: str) -> None:
    path, text = DOCUMENTS[name]
    assert path.read_text(encoding="utf-8") == text, "write them: python -m scripts.documents.settings"


def test_the_document_of_commands_is_up_to_date() -> None:
    assert commands.PATH.read_text(encoding="utf-8") == commands.text(), "write it: python -m agent.cli.document"
