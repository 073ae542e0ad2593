"""Fill a sentence in both languages at once, so that it can be said later, or within another."""

from bot.texts import Language, Text


def filled(text: Text, **facts: object) -> Text:
    """Return ``text`` without placeholders; a fact that is a Text itself speaks the same language."""
    return Text(zh=_fill(text, "zh", facts), en=_fill(text, "en", facts))


def _fill(text: Text, language: Language, facts: dict[str, object]) -> str:
    said = {
        name: fact.say(language) if isinstance(fact, Text) else fact for name, fact in facts.items()
    }
    filled_in = text.say(language, **said)
    return filled_in.replace("{", "{{").replace("}", "}}")
