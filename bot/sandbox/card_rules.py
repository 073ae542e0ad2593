"""What WeCom takes as a card and what it refuses.

https://developer.work.weixin.qq.com/document/path/101032. Lengths of texts are suggestions there:
more is not shown. What stands here as a limit in characters is kept as if it were one.
"""

import re
from collections.abc import Mapping

from bot.sandbox.cipher import Refused

Json = dict[str, object]

TASK = re.compile(r"[0-9A-Za-z_@-]{1,128}")
KEY_BYTES = 1024
ID_BYTES = 128
URL_BYTES = 2048
QUESTION_BYTES = 200
ACTIONS = 3
STYLES = (1, 2, 3, 4)
BOXES = ("checkbox", "select_list", "button_selection")

# What each card must have, and what it may have besides `card_type`, `source` and `feedback`.
MUST: Mapping[str, tuple[str, ...]] = {
    "text_notice": ("card_action",),
    "news_notice": ("main_title", "card_action"),
    "button_interaction": ("main_title", "button_list", "task_id"),
    "vote_interaction": ("main_title", "checkbox", "submit_button", "task_id"),
    "multiple_interaction": ("main_title", "select_list", "submit_button", "task_id"),
}
COMMON = ("card_type", "source", "task_id", "feedback")
NOTICE = ("action_menu", "quote_area", "horizontal_content_list", "jump_list")
MAY: Mapping[str, tuple[str, ...]] = {
    "text_notice": (*NOTICE, "main_title", "emphasis_content", "sub_title_text"),
    "news_notice": (*NOTICE, "card_image", "image_text_area", "vertical_content_list"),
    "button_interaction": (
        *("action_menu", "quote_area", "sub_title_text", "horizontal_content_list"),
        *("button_selection", "card_action"),
    ),
    "vote_interaction": (),
    "multiple_interaction": (),
}


def check_card(card: Json, *, updates: bool = False) -> None:
    """Raise ``Refused`` for what WeCom would not show; ``updates``: it takes another's place."""
    kind = card.get("card_type")
    if not isinstance(kind, str) or kind not in MUST:
        raise _bad(f"no such card: {str(kind)[:40]}")
    _members(card, kind)
    _head(card, kind)
    _task(card)
    for name, check in PIECES.items():
        if name in card:
            check(card[name])
    boxes = (one for box in BOXES for one in _objects(card.get(box)))
    if not updates and any("disable" in one for one in boxes):
        raise _bad("disable is for a card that takes another's place")


def _members(card: Json, kind: str) -> None:
    for name in MUST[kind]:
        if not card.get(name):
            raise _bad(f"{kind} needs {name}")
    for name in card:
        if name not in (*COMMON, *MUST[kind], *MAY[kind]):
            raise _bad(f"{kind} has no {name}")


def _head(card: Json, kind: str) -> None:
    title = _object(card.get("main_title", {}), "main_title")
    _text(title, "title", 26)
    _text(title, "desc", 30)
    _text(card, "sub_title_text", 112)
    if not title.get("title") and (kind != "text_notice" or not card.get("sub_title_text")):
        raise _bad("nothing to read: main_title.title")
    if kind == "news_notice" and not (card.get("card_image") or card.get("image_text_area")):
        raise _bad("news_notice needs card_image or image_text_area")
    if kind.endswith("_notice"):
        action = _object(card["card_action"], "card_action")
        if action.get("type") not in (1, 2):
            raise _bad("card_action of a notice leads somewhere: type 1 or 2")


def _task(card: Json) -> None:
    task = card.get("task_id", "")
    if not isinstance(task, str) or (task and not TASK.fullmatch(task)):
        raise _bad("task_id: digits, letters and _-@, at most 128")
    if "action_menu" in card and not task:
        raise _bad("action_menu needs task_id")


def _source(value: object) -> None:
    source = _object(value, "source")
    _text(source, "desc", 13)
    _url(source, "icon_url")


def _menu(value: object) -> None:
    menu = _object(value, "action_menu")
    _text(menu, "desc", None, needed=True)
    actions = _list(menu.get("action_list"), "action_list", ACTIONS)
    for action in actions:
        _text(action, "text", None, needed=True)
    _keys(actions, "key", KEY_BYTES)


def _action(value: object) -> None:
    action = _object(value, "an action")
    kind = action.get("type", 0)
    if kind not in (0, 1, 2):
        raise _bad("card_action.type is 0, 1 or 2")
    _url(action, "url", needed=kind == 1)


def _quote(value: object) -> None:
    quote = _object(value, "quote_area")
    _action({key: quote[key] for key in ("type", "url") if key in quote})
    _text(quote, "title", None)
    _text(quote, "quote_text", None)


def _facts(value: object) -> None:
    for fact in _list(value, "horizontal_content_list", 6, least=0):
        _text(fact, "keyname", 5, needed=True)
        _text(fact, "value", 26)
        if fact.get("type", 0) not in (0, 1, 3):
            raise _bad("horizontal_content_list.type is 0, 1 or 3")
        _url(fact, "url", needed=fact.get("type") == 1)


def _jumps(value: object) -> None:
    for jump in _list(value, "jump_list", 3, least=0):
        _text(jump, "title", 13, needed=True)
        _bytes(jump, "question", QUESTION_BYTES)
        _url(jump, "url", needed=jump.get("type") == 1)


def _buttons(value: object) -> None:
    buttons = _list(value, "button_list", 6)
    for button in buttons:
        _text(button, "text", 10, needed=True)
        if button.get("style", 1) not in STYLES:
            raise _bad("button_list.style is 1 to 4")
    _keys(buttons, "key", KEY_BYTES)


def _checkbox(value: object) -> None:
    _answers(_object(value, "checkbox"), most=20, chars=11)


def _selects(value: object) -> None:
    selects = _list(value, "select_list", 3)
    for select in selects:
        _text(select, "title", 13)
        _answers(select, most=10, chars=10)
    _keys(selects, "question_key", KEY_BYTES)


def _selection(value: object) -> None:
    _answers(_object(value, "button_selection"), most=10, chars=10)


def _answers(box: Json, *, most: int, chars: int) -> None:
    _bytes(box, "question_key", KEY_BYTES, needed=True)
    if box.get("mode", 0) not in (0, 1):
        raise _bad("mode is 0 or 1")
    options = _list(box.get("option_list"), "option_list", most)
    for option in options:
        _text(option, "text", chars, needed=True)
    _keys(options, "id", ID_BYTES)
    ticked = [option for option in options if option.get("is_checked")]
    if box.get("mode", 0) == 0 and len(ticked) > 1:
        raise _bad("a single choice has one answer")


def _submit(value: object) -> None:
    button = _object(value, "submit_button")
    _text(button, "text", 10, needed=True)
    _bytes(button, "key", KEY_BYTES, needed=True)


PIECES = {
    "source": _source,
    "action_menu": _menu,
    "card_action": _action,
    "quote_area": _quote,
    "horizontal_content_list": _facts,
    "jump_list": _jumps,
    "button_list": _buttons,
    "button_selection": _selection,
    "checkbox": _checkbox,
    "select_list": _selects,
    "submit_button": _submit,
}


def _objects(value: object) -> list[Json]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def _bad(detail: str) -> Refused:
    return Refused("card", detail)


def _object(value: object, name: str) -> Json:
    if not isinstance(value, dict):
        raise _bad(f"{name} must be an object")
    return value


def _list(value: object, name: str, most: int, *, least: int = 1) -> list[Json]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise _bad(f"{name} has {least} to {most} entries")
    return [_object(one, name) for one in value]


def _text(piece: Json, name: str, chars: int | None, *, needed: bool = False) -> None:
    value = piece.get(name, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise _bad(f"{name} must be a text")
    if chars is not None and len(value) > chars:
        raise _bad(f"{name}: {len(value)} characters, {chars} are shown")


def _bytes(piece: Json, name: str, most: int, *, needed: bool = False) -> None:
    _text(piece, name, None, needed=needed)
    size = len(str(piece.get(name, "")).encode(errors="replace"))
    if size > most:
        raise _bad(f"{name}: {size} bytes, {most} allowed")


def _url(piece: Json, name: str, *, needed: bool = False) -> None:
    _bytes(piece, name, URL_BYTES, needed=needed)
    url = str(piece.get(name, ""))
    if url and not url.startswith(("http://", "https://")):
        raise _bad(f"{name} is no address")


def _keys(pieces: list[Json], name: str, most: int) -> None:
    """Check that each has a key, not too long, and no two the same."""
    for piece in pieces:
        _bytes(piece, name, most, needed=True)
    keys = [piece[name] for piece in pieces]
    if len(set(map(str, keys))) < len(keys):
        raise _bad(f"{name} must be unique")
