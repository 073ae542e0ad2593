"""JSON with comments and trailing commas, as OpenCode reads it; a mistake is named by line and column."""

import json
import re

# A string (closed or not), a comment of either kind.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"?|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
STRING_OR_LAST_COMMA = re.compile(r'"(?:\\.|[^"\\\n])*"?|,(?=\s*[}\]])')
REFERENCE = re.compile(r"\{(env|file):([^}]+)\}")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Mistake(ValueError):
    """What is wrong with a text, and where; never the text itself, which may hold keys."""


def parse(text: str) -> object:
    """Return what ``text`` says; raises ``Mistake``. References stand there as digits."""
    plain = REFERENCE.sub(lambda found: "1" * len(found[0]), text.removeprefix(BOM))
    plain = TOKEN.sub(_without_comment, plain)
    plain = STRING_OR_LAST_COMMA.sub(_without_comma, plain)
    if not plain.strip():
        return {}  # an empty file says nothing, and is no mistake
    try:
        return json.loads(plain, strict=False)
    except ValueError as exc:
        raise Mistake(_words(exc)) from None  # the cause carries the whole text


def references(text: str, kind: str) -> list[str]:
    """Return what ``{env:…}`` or ``{file:…}`` refer to."""
    return [name for found, name in REFERENCE.findall(text) if found == kind]


def _without_comment(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


def _without_comma(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "


def _words(exc: ValueError) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"line {exc.lineno}, column {exc.colno}: {exc.msg}"
    return "it cannot be read"
