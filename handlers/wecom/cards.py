"""Cards as WeCom draws them, fitted to its limits, and what comes back when one is pressed.

https://developer.work.weixin.qq.com/document/path/101032 (cards), 101027 (the event)
"""

import itertools
from collections.abc import Iterator, Mapping

import orjson

from bot.cards import ButtonCard, Card, Choice, Click, Fact, NoticeCard, Update, VoteCard

TITLE = 26  # characters, as all of these: what WeCom shows of each piece
ABOUT = 30
DETAIL = 112
FACT_NAME = 5
FACT_VALUE = 26
FACTS = 6
BUTTON = 10
BUTTONS = 6
CHOICE = 11
CHOICES = 20
KEY_BYTES = 1024
EVENT = "template_card_event"
QUESTION = "q"
LOOKS = {"main": 1, "plain": 3, "danger": 2}
CUT = "…"
TICKED_MOST = 40  # of one click; WeCom's cards have 20 answers
ID_CHARS = 256

Json = dict[str, object]


def card_body(card: Card) -> Json:
    """Return what WeCom calls ``template_card``."""
    if isinstance(card, ButtonCard):
        return _buttons(card)
    return _vote(card) if isinstance(card, VoteCard) else _notice(card)


def message_body(card: Card) -> bytes:
    """Return a card as a message of its own."""
    return orjson.dumps({"msgtype": "template_card", "template_card": card_body(card)})


def stream_body(stream: str, content: str, card: Card) -> bytes:
    """Return the answer that shows a card below an open bubble; WeCom takes one a message."""
    shown = {"id": stream, "finish": False, "content": content}
    kind = "stream_with_template_card"
    return orjson.dumps({"msgtype": kind, "stream": shown, "template_card": card_body(card)})


def update_body(update: Update) -> Json:
    """Return the answer to a click; its task is the one that was clicked."""
    body: Json = {
        "response_type": "update_template_card",
        "template_card": card_body(update.card),
    }
    if update.only:
        body["userids"] = [update.only]
    return body


def whole(card: Card) -> bool:
    """Tell whether WeCom shows all of what is to be decided, so that no other words are needed."""
    if isinstance(card, VoteCard):
        shown = all(len(one.text) <= CHOICE for one in card.choices)
        return shown and len(card.title) <= TITLE
    facts = all(len(one.value) <= FACT_VALUE for one in card.facts)
    return facts and len(card.about) <= ABOUT and len(card.detail) <= DETAIL


def click_of(event: Mapping[str, object]) -> Click | None:
    """Return what was pressed, given an event's own JSON; None when it is not of a card."""
    pressed = event.get(EVENT)
    if event.get("eventtype") != EVENT or not isinstance(pressed, dict):
        return None
    # The page of the event and its samples name these differently; the samples are right.
    task, key = _short(pressed.get("task_id")), _short(pressed.get("event_key"))
    ticked = itertools.islice(_ticked(pressed.get("selected_items")), TICKED_MOST)
    return Click(task, key, tuple(ticked)) if task and key else None


def _ticked(selected: object) -> Iterator[str]:
    items = selected.get("selected_item") if isinstance(selected, dict) else None
    for item in items if isinstance(items, list) else ():
        options = item.get("option_ids") if isinstance(item, dict) else None
        ids = options.get("option_id") if isinstance(options, dict) else None
        yield from filter(None, (_short(one) for one in (ids if isinstance(ids, list) else ())))


def _short(value: object) -> str:
    found = isinstance(value, str) and len(value) <= ID_CHARS and value.isprintable()
    return value if found and isinstance(value, str) else ""


def _buttons(card: ButtonCard) -> Json:
    body: Json = {
        "card_type": "button_interaction",
        **_head(card.title, card.about),
        **_below(card.detail, card.facts),
    }
    if card.note:
        body["quote_area"] = {"type": 0, "quote_text": card.note}
    if card.link:
        body["card_action"] = {"type": 1, "url": card.link}
    body["button_list"] = [
        {"text": _cut(one.text, BUTTON), "style": LOOKS[one.look], "key": one.key}
        for one in card.buttons[:BUTTONS]
    ]
    return body | {"task_id": card.task}


def _vote(card: VoteCard) -> Json:
    box: Json = {
        "question_key": QUESTION,
        "mode": 1 if card.multiple else 0,
        "option_list": [_choice(one) for one in _numbered(card.choices[:CHOICES])],
    }
    if card.closed:
        box["disable"] = True
    return {
        "card_type": "vote_interaction",
        **_head(card.title, card.about),
        "checkbox": box,
        "submit_button": {"text": _cut(card.submit.text, BUTTON), "key": card.submit.key},
        "task_id": card.task,
    }


def _notice(card: NoticeCard) -> Json:
    body: Json = {
        "card_type": "text_notice",
        **_head(card.title, card.about),
        **_below(card.detail, card.facts),
        "card_action": {"type": 1, "url": card.link},
    }
    return body | ({"task_id": card.task} if card.task else {})


def _head(title: str, about: str) -> Json:
    head: Json = {"title": _cut(title, TITLE)}
    return {"main_title": head | ({"desc": _cut(about, ABOUT)} if about else {})}


def _below(detail: str, facts: tuple[Fact, ...]) -> Json:
    body: Json = {"sub_title_text": _cut(detail, DETAIL)} if detail else {}
    if facts:
        body["horizontal_content_list"] = [
            {"keyname": _cut(one.name, FACT_NAME), "value": _cut(one.value, FACT_VALUE)}
            for one in facts[:FACTS]
        ]
    return body


def _choice(one: Choice) -> Json:
    shown: Json = {"id": one.id, "text": one.text}
    return shown | ({"is_checked": True} if one.ticked else {})


def _numbered(choices: tuple[Choice, ...]) -> Iterator[Choice]:
    """Cut answers that are too long, with their numbers in front: the words beside name them so."""
    long = any(len(one.text) > CHOICE for one in choices)
    for one in choices:
        text = f"{one.id}. {one.text}" if long else one.text
        yield Choice(one.id, _cut(text, CHOICE), one.ticked)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + CUT
