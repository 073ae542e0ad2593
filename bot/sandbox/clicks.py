"""What a person may press on a card, and what becomes of the card then."""

from collections.abc import Iterator, Sequence

from bot.sandbox.book import Book, Item
from bot.sandbox.card_rules import BOXES
from bot.sandbox.cipher import Refused
from bot.sandbox.payloads import Payload
from bot.sandbox.rules import Reply


class NotThere(Exception):
    """The card has no such button, or no such answer to tick."""


def pressed(item: Item, member: str, key: str, ticked: Sequence[str]) -> Payload:
    """Return what WeCom tells of a press; ``ticked`` are the ids of answers. Raises NotThere."""
    card = item.card_of(member) or {}
    if key not in _keys(card):
        raise NotThere(f"no button {key}")
    facts: Payload = {"card_type": card["card_type"], "event_key": key}
    chosen = [_chosen(box, ticked) for box in _boxes(card)]
    if any(ticked) and not any(ids for _, ids in chosen):
        raise NotThere("no such answer")
    if chosen:
        facts["selected_items"] = {
            "selected_item": [
                {"question_key": question, "option_ids": {"option_id": ids}}
                for question, ids in chosen
            ]
        }
    return facts | {"task_id": card["task_id"]}


def replaced(book: Book, item: Item, task: object, reply: Reply) -> None:
    """Put the card of an answer in the place of the one that was pressed. Raises Refused."""
    if reply.card is None or reply.card.get("task_id") != task:
        raise Refused("task_id", "an updated card names the task_id of the click")
    for member in reply.only:
        item.cards[member] = reply.card
    if not reply.only:
        item.card = reply.card
        item.cards.clear()
    book.touch(item)


def _keys(card: Payload) -> Iterator[str]:
    buttons = card.get("button_list", [])
    submit = card.get("submit_button")
    for button in [*(buttons if isinstance(buttons, list) else []), submit]:
        if isinstance(button, dict):
            yield str(button.get("key"))


def _boxes(card: Payload) -> Iterator[Payload]:
    for name in BOXES:
        found = card.get(name)
        boxes = found if isinstance(found, list) else [found]
        yield from (box for box in boxes if isinstance(box, dict) and not box.get("disable"))


def _chosen(box: Payload, ticked: Sequence[str]) -> tuple[str, list[str]]:
    options = box.get("option_list")
    offered = [str(one["id"]) for one in options] if isinstance(options, list) else []
    ids = [each for each in offered if each in ticked]
    return str(box.get("question_key")), ids if box.get("mode") == 1 else ids[:1]
