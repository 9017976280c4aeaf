"""A text for people in Chinese and English, and the one way to pick a language."""

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]
"""The languages of all texts for people."""


class Text(NamedTuple):
    """A sentence or a term in both languages, without a full stop."""

    zh: str
    en: str

    def in_(self, language: Language) -> str:
        """The text for a reader of ``language``."""
        return self.zh if language == "zh" else self.en


NO_TEXT = Text("", "")
"""The empty text."""
