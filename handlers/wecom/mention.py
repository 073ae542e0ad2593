"""Takes the @-mention of the bot off a message; WeCom leaves the display name in the text."""

import re

AT = "[@＠]"
SLASH = "[/／]"
# What may not follow a name, since the name would then be another, longer one.
LONGER_ASCII = r"(?![A-Za-z0-9_]|[.\-][A-Za-z0-9_])"
LONGER = r"(?!\w|[.\-]\w)"
AFTER = r"[\s,，:：、]*"
# A mention whose name we do not know: one to three words.
UNKNOWN = rf"{AT}[^\s@＠/／]+(?:\s+[^\s@＠/／]+){{0,2}}\s+"

BEFORE_COMMAND = re.compile(rf"(?:{UNKNOWN})+(?={SLASH}[^\s/／]+(?:\s|\Z))")
BEFORE_CHINESE = re.compile(rf"(?:{AT}[^\s@＠]+\s+)+(?=[\u3400-\u9fff])")
ONLY_MENTIONS = re.compile(rf"(?:{AT}[^\s@＠]+\s*)+\Z")
STARTS_WITH_MENTION = re.compile(rf"\s*{AT}")
COMMAND_WORD = rf"\A({SLASH}[^\s/／@＠]+)"
COMMAND_WITH_MENTION = re.compile(rf"{COMMAND_WORD}{AT}[^\s@＠]+")


class Mentions:
    """Knows the bot's display name, which is empty when nobody configured it."""

    def __init__(self, name: str = "") -> None:
        words = name.strip().lstrip("@＠").split()
        self._named = bool(words)
        if not words:
            return
        longer = LONGER_ASCII if words[-1].isascii() else LONGER
        # Blanks of a name may be other blanks in the text: phones put U+2005 there.
        mention = AT + r"\s+".join(re.escape(word) for word in words) + longer
        self._front = re.compile(rf"\s*(?:{mention}{AFTER})+")
        self._behind_others = re.compile(rf"\s*((?:{UNKNOWN})+?){mention}{AFTER}")
        self._end = re.compile(rf"\s{mention}\Z")
        self._command = re.compile(rf"{COMMAND_WORD}{mention}(?=\s|\Z)")

    def off(self, text: str, *, group: bool) -> str:
        """Return ``text`` without the bot's mention; the rest stays as it was written.

        People who were mentioned beside the bot are left out in front of a command
        only. In a group without a configured name the mention is guessed where that
        is safe: before a command, before Chinese, alone, or tied to a command's word.
        """
        if not self._named:
            return _strip_unknown(text) if group else text
        text = self._command.sub(r"\1", text)
        text = self._off_the_end(text)
        front = self._front.match(text)
        if front:
            text = text[front.end() :]
            return _off_command(text) if group else text
        return self._after_others(text) if group else text

    def _off_the_end(self, text: str) -> str:
        trimmed = text.rstrip()
        end = self._end.search(trimmed)
        return trimmed[: end.start()].rstrip() if end else text

    def _after_others(self, text: str) -> str:
        others = self._behind_others.match(text)
        return _off_command(f"{others[1]}{text[others.end() :]}") if others else _off_command(text)


def _strip_unknown(text: str) -> str:
    text = COMMAND_WITH_MENTION.sub(r"\1", text)
    if not STARTS_WITH_MENTION.match(text):
        return text
    text = text.lstrip()
    if ONLY_MENTIONS.match(text):
        return ""
    chinese = BEFORE_CHINESE.match(text)
    return text[chinese.end() :] if chinese else _off_command(text)


def _off_command(text: str) -> str:
    """Leave out who is mentioned in front of a command."""
    mentions = BEFORE_COMMAND.match(text)
    return text[mentions.end() :] if mentions else text
