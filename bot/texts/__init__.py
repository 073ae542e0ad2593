"""Every sentence that people in a chat read, Chinese and English side by side."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: dict[str, Language] = {"zh": "zh", "en": "en"}


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages, with the same ``{placeholders}`` in each."""

    zh: str
    en: str

    def say(self, language: Language, **facts: object) -> str:
        """Return the sentence in ``language`` with its placeholders filled."""
        return (self.zh if language == "zh" else self.en).format(**facts)


def language_of(text: str) -> Language | None:
    """Return the language that ``text`` is written in, or None when it does not show."""
    if any("\u3400" <= char <= "\u9fff" for char in text):
        return "zh"
    if any(char.isascii() and char.isalpha() for char in text):
        return "en"
    return None
