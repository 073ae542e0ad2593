"""The stand-in's chats as the page reads them: JSON, with what the bot wrote as HTML."""

from dataclasses import dataclass

from bot.sandbox.book import Item
from bot.sandbox.markup import to_html
from bot.sandbox.payloads import Payload
from bot.sandbox.standin import StandIn


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may be played."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group chat with everybody and the bot in it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Who there is to talk to. ``demo_model``: the answers come from the scripted model."""

    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    demo_model: bool

    def has(self, member: str, group: str | None) -> bool:
        """Tell whether such a person, and such a group, takes part."""
        known = any(member == each.id for each in self.members)
        return known and (group is None or any(group == each.id for each in self.groups))


def scene(cast: Cast, standin: StandIn) -> Payload:
    """Return what does not change while the page is open."""
    return {
        "bot": standin.bot_name,
        "demo": cast.demo_model,
        "members": [{"id": each.id, "name": each.name} for each in cast.members],
        "groups": [{"id": each.id, "name": each.name} for each in cast.groups],
    }


def news(standin: StandIn, since: int) -> Payload:
    """Return what is newer than a revision; ``fresh``: all there is."""
    items = [_item(item) for item in standin.book.since(since)]
    return {"fresh": since == 0, "items": items}


def _item(item: Item) -> Payload:
    by_bot = item.who == "" and item.kind != "violation"
    return {
        "id": item.id,
        "chat": item.chat,
        "kind": item.kind,
        "who": item.who,
        "at": item.at,
        "text": item.content,
        "html": to_html(item.content) if by_bot else "",
        "state": item.state,
        "reason": item.reason,
        "quote": item.quote,
        "medium": item.medium,
        "images": list(item.images),
        "card": item.card,
        "cards": item.cards,
        "feedback": bool(item.feedback),
        "thumbs": item.thumbs,
    }
