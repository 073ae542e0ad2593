"""An answer as the messages of an application that carry it: each within WeCom's 2048 bytes.

https://developer.work.weixin.qq.com/document/path/90236
"""

import re

from bot.fitting import fit, size, split
from bot.messages import Answer
from bot.texts import delivery as texts
from bot.texts import language_of
from handlers.wecom.markdown import answer_text, visible

CONTENT_BYTES = 2048  # of a text or Markdown message, and of an answer in the callback
LABEL_BYTES = 16  # for "(10/10)" and the line below it
TWIN_BYTES = 16  # for the number of a text that was said before
FULL_BYTES = CONTENT_BYTES - TWIN_BYTES
MOST = 10  # messages of one answer
TITLE_CHARS = 128
DESCRIPTION_CHARS = 512
URL_BYTES = 2048
PROGRESS_BYTES = 1200
_URL = re.compile(r"https?://[^\s()<>\"']+")
_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^)\s]+)\)")
_BOLD = re.compile(r"\*\*(\S(?:[^\n*]*\S)?)\*\*")
_HEADING = re.compile(r"^#{1,6} +", re.MULTILINE)

Body = dict[str, object]


def markdown(content: str) -> Body:
    """Return a message in Markdown."""
    return {"msgtype": "markdown", "markdown": {"content": content}}


def messages_of(answer: Answer) -> list[Body]:
    """Return the messages that carry an answer: one, several with numbers, and a card to read on.

    What is longer than so many messages is cut; then a card opens the whole, where there is a page.
    """
    whole = _joined(answer)
    parts = _numbered(whole)
    if len(parts) <= MOST:
        return [markdown(part) for part in parts]
    card = _card(answer)
    short = Answer(answer.body, answer.footer, "" if card else answer.more)
    return [*map(markdown, _cut(short, MOST - len(card))), *card]


def plain(text: str) -> str:
    """Return Markdown as the plain text that an answer in the callback must be."""
    text = _LINK.sub(lambda link: f"{link[1]}: {link[2]}", text)
    return _HEADING.sub("", _BOLD.sub(r"\1", text))


def compact(progress: str) -> str:
    """Return the state of a running turn as one short message."""
    return fit(progress, PROGRESS_BYTES)


def _joined(answer: Answer) -> str:
    return answer_text(Answer(answer.body, answer.footer), size(answer.body + answer.footer) + 64)


def _numbered(text: str) -> list[str]:
    if not visible(text):
        text = texts.NOTHING.say(language_of(text) or "zh")
    if size(text) <= FULL_BYTES:
        return [text]
    parts = split(text, FULL_BYTES - LABEL_BYTES)
    return [f"({n}/{len(parts)})\n{part}" for n, part in enumerate(parts, 1)]


def _cut(answer: Answer, most: int) -> list[str]:
    """Cut an answer until it fits into so many messages: how full each gets depends on its lines."""
    room = most * FULL_BYTES
    while True:
        parts = _numbered(answer_text(answer, room))
        if len(parts) <= most:
            return parts
        room -= CONTENT_BYTES // 2


def _card(answer: Answer) -> list[Body]:
    """Return the card that opens the whole answer, if there is a page of it."""
    found = _URL.search(answer.more)
    if found is None or size(found[0]) > URL_BYTES:
        return []
    language = language_of(answer.body) or "zh"
    card = {
        "title": texts.IN_FULL.say(language)[:TITLE_CHARS],
        "description": (plain(answer.footer) or texts.CUT.say(language))[:DESCRIPTION_CHARS],
        "url": found[0],
        "btntxt": texts.OPEN.say(language),
    }
    return [{"msgtype": "textcard", "textcard": card}]


def first_part(text: str) -> tuple[str, str]:
    """Cut a text into what one message holds and the rest."""
    first, *others = split(text, CONTENT_BYTES)
    return first, "\n\n".join(others)
