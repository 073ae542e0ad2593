"""What OpenCode says, without what it quotes: of a broken configuration it repeats all, keys included."""

import re

QUOTES = (
    # The whole configuration; when the words were cut, so may be its end.
    (re.compile(r"--- JSONC Input ---.*?(?=--- Errors ---|\Z)", re.DOTALL), ""),
    # The line of a mistake, and a mark beneath it.
    (re.compile(r"^[ \t]*Line \d+: .*(\n[ \t]*\^)?$", re.MULTILINE), ""),
    (re.compile(r"^--- (Errors|End) ---$", re.MULTILINE), ""),
    (re.compile(r'got "(?:[^"\\\n]|\\.)*"'), "got a text"),
    (re.compile(r"got [\[{].*$", re.MULTILINE), "got another kind"),
)
EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n)+")


def unquoted(text: str) -> str:
    """Return the words without the configuration in them; the place of the mistake stays."""
    for quote, instead in QUOTES:
        text = quote.sub(instead, text)
    return EMPTY_LINES.sub("\n", text).strip()
