"""Rows to begin with, as short as a test can say them."""

import itertools
from dataclasses import replace

from store.records import NewAsk, NewChat, NewDelivery, NewInbound, NewTurn

CHAT = "wecom:direct:zhangsan"
WAYS = itertools.count()


def a_chat(key=CHAT, *, language="zh", at=1000):
    return NewChat(key, "wecom", "direct", key.rpartition(":")[2], "", language, at)


def an_inbound(message="m1", *, chat=CHAT, kind="prompt", reply_url="https://u", at=1000, **fields):
    new = NewInbound(
        message=message,
        chat=chat,
        sender="zhangsan",
        kind=kind,
        name="",
        body="",
        stream=f"stream-{message}",
        shown="",
        finished=False,
        reply_url=reply_url,
        received_at=at,
    )
    return replace(new, **fields)


def a_turn(message="m1", *, chat=CHAT, text="修好测试", at=1000, **fields):
    new = NewTurn(
        message=message,
        chat=chat,
        sender="zhangsan",
        kind="prompt",
        text=text,
        quote="",
        attachments="[]",
        language="zh",
        forced=False,
        bubble=True,
        retry_of=None,
        created_at=at,
    )
    return replace(new, **fields)


def a_delivery(turn=1, *, chat=CHAT, message="m1", body="done", at=2000, **fields):
    return replace(NewDelivery(chat, turn, message, body, "footer", "more", at), **fields)


def an_ask(ask="per_1", *, code="k7", chat=CHAT, turn=1, expires_at=9000, **fields):
    new = NewAsk(
        id=ask,
        code=code,
        chat=chat,
        turn=turn,
        session="ses_1",
        directory="/w",
        kind="permission",
        body="{}",
        asked_at=1000,
        expires_at=expires_at,
    )
    return replace(new, **fields)


async def accept(store, message="m1", *, chat=CHAT, at=1000, **fields):
    """Let a message with its turn arrive; return what it became."""
    return await store.inbox.accept(
        an_inbound(message, chat=chat, at=at),
        a_chat(chat, at=at),
        a_turn(message, chat=chat, at=at, **fields),
    )


async def on_its_way(store, delivery, *, at=1000):
    """Let a delivery be on its way to an address that was brought for it; the message of that."""
    source = f"way-{next(WAYS)}"
    chat = (await store.deliveries.get(delivery)).chat
    await store.inbox.accept(an_inbound(source, chat=chat, kind="command", at=at), None, None)
    assert await store.deliveries.post(delivery, source) == "https://u"
    return source


async def in_doubt(store, delivery, cause="ReadTimeout"):
    """Let a delivery leave, and nobody know whether it arrived."""
    await on_its_way(store, delivery)
    assert await store.deliveries.settle(delivery, "unknown", cause)


async def end(store, n, *, state="done", answer="fine", at=2000, delivery=None, files=()):
    return await store.turns.end(
        await store.turns.get(n),
        state=state,
        outcome="answered",
        reason="",
        stopped_by="",
        answer=answer,
        footer="f",
        at=at,
        delivery=delivery,
        files=files,
    )
