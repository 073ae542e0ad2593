"""What both clients are put through, and what of it is compared."""

import asyncio
import hashlib
import re
from itertools import count

from bot.sandbox import payloads
from tests.sandbox.client import markdown
from tests.standin import PNG

OWN_ID = re.compile(r"(\w+?)_[0-9]{13}_[0-9a-f]{8}")
CONTENT = bytes(range(256)) * 4_700
QUESTION = {
    "card_type": "button_interaction",
    "main_title": {"title": "Allow?"},
    "button_list": [{"text": "Yes", "key": "yes"}],
    "task_id": "T1",
}
DECIDED = {
    "card_type": "text_notice",
    "main_title": {"title": "Allowed"},
    "card_action": {"type": 1, "url": "https://example.com"},
    "task_id": "T1",
}


def card(card):
    return {"msgtype": "template_card", "template_card": card}


async def play(wecom, actor, secret):
    """Have a client meet everything that there is; return what it made of it."""
    await actor.connect(wecom.gateway_url, secret)
    return {
        "codes": [
            *await messages_of_every_kind(wecom, actor),
            *await a_stream(wecom, actor),
            *await events(wecom, actor),
            *await pushes(actor),
            *await errors(wecom, actor),
            *await files_out(wecom, actor),
        ],
        "file": await a_file_in(wecom, actor),
        "kicked": await a_kick(wecom, actor),
    }


async def messages_of_every_kind(wecom, actor):
    image = wecom.keep_medium("image", "图.png", PNG)
    said = [
        payloads.text("hello"),
        payloads.voice("spoken"),
        image,
        wecom.keep_medium("file", "a.txt", b"a text"),
        wecom.keep_medium("video", "a.mp4", b"a film"),
        payloads.mixed([payloads.text("look"), image]),
    ]
    done = []
    for number, content in enumerate(said):
        talk = wecom.begin("zhangsan", content)
        frame = await actor.heard(talk.msgid)
        done.append(await actor.stream(frame, f"kind-{number}", f"{number}", finish=True))
        await talk.done()
    talk = wecom.begin("lisi", payloads.text("why"), group="wrX", quote=payloads.text("because"))
    frame = await actor.heard(talk.msgid)
    done.append(await actor.reply(frame, markdown("in the group")))
    return done


async def a_stream(wecom, actor):
    talk = wecom.begin("lisi", payloads.text("work"))
    frame = await actor.heard(talk.msgid)
    shown = ["<think></think>", "第一步", "第一步\n\n```py\nprint('\\u0007 \"quoted\"')\n```"]
    done = [await actor.stream(frame, "S1", content, finish=False) for content in shown]
    done.append(await actor.stream(frame, "S1", "continued below", finish=True))
    done.append(await actor.stream(frame, "S2", "done", finish=True))
    assert await talk.done() == "done"
    assert talk.bubbles["S1"].history == [*shown, "continued below"]
    return done


async def events(wecom, actor):
    done = []
    async with asyncio.TaskGroup() as group:
        greeting = group.create_task(wecom.enter("lisi"))
        frame = await actor.heard_event("enter_chat")
        done.append(await actor.welcome(frame, "welcome"))
    assert greeting.result() == "welcome"
    talk = wecom.begin("lisi", payloads.text("ask me"))
    done.append(await actor.reply(await actor.heard(talk.msgid), card(QUESTION)))
    async with asyncio.TaskGroup() as group:
        click = group.create_task(wecom.click("lisi", talk.late[0], "yes"))
        frame = await actor.heard_event("template_card_event")
        done.append(await actor.update_card(frame, DECIDED, ["lisi"]))
    assert click.result().card == DECIDED
    await wecom.event("lisi", "feedback_event", {"id": "F", "type": 1})
    await actor.heard_event("feedback_event")
    return done


async def pushes(actor):
    return [
        await actor.push("lisi", markdown("**news**")),
        await actor.push("lisi", card(QUESTION | {"task_id": "T2"})),
        await actor.push("wrX", markdown("for all")),
    ]


async def errors(wecom, actor):
    """What is refused is told by its number, and the next frame goes its way."""
    talk = wecom.begin("lisi", payloads.text("more"))
    frame = await actor.heard(talk.msgid)
    wecom.gateway.faults.next("aibot_respond_msg", 846607)
    wecom.gateway.faults.next("aibot_send_msg", 93006)
    done = [
        await actor.stream(frame, "S3", "1", finish=False),
        await actor.stream(frame, "S3", "1", finish=False),
        await actor.push("lisi", markdown("lost")),
    ]
    wecom.gateway.expire(talk.bubble)
    done.append(await actor.stream(frame, "S3", "2", finish=True))
    return done


async def files_out(wecom, actor):
    media = await actor.upload("file", "报告.bin", CONTENT)
    assert wecom.gateway.uploads.done[media].content == CONTENT
    talk = wecom.begin("wangwu", payloads.text("the file"))
    body = {"msgtype": "file", "file": {"media_id": media}}
    frame = await actor.heard(talk.msgid)
    return [await actor.reply(frame, body), await actor.push("wangwu", body)]


async def a_file_in(wecom, actor):
    sealed = wecom.keep_medium("file", "报告 (1).pdf", CONTENT)["file"]
    name, digest = await actor.download(sealed["url"], sealed["aeskey"])
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    return name


async def a_kick(wecom, actor):
    wecom.gateway.kick()
    await actor.kicked()
    return wecom.gateway.subscribed


def normal(tape):
    """Return a client's frames, with names for what differs from run to run.

    The pieces of a file leave side by side: they are put in their order.
    """
    names, numbers = {}, count(1)
    sent = []
    for who, frame in tape:
        req_id = frame["headers"]["req_id"]
        if who == "server":
            if "cmd" in frame:
                names[req_id] = f"<callback {next(numbers)}>"
            names |= {
                str(value): f"<{key}>"
                for key, value in frame.get("body", {}).items()
                if key in {"upload_id", "media_id"}
            }
        else:
            sent.append(_named(frame, names))
    pieces = [n for n, frame in enumerate(sent) if frame["cmd"].endswith("_chunk")]
    order = sorted(pieces, key=lambda n: sent[n]["body"]["chunk_index"])
    in_order = dict(zip(pieces, [sent[n] for n in order], strict=True))
    return [in_order.get(n, frame) for n, frame in enumerate(sent)]


def _named(value, names):
    if isinstance(value, dict):
        return {key: _named(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if not isinstance(value, str):
        return value
    own = OWN_ID.fullmatch(value)
    if own is not None:
        return f"<own {own[1]}>"
    return names.get(value, value)


def differences(one, other, path=""):
    """Yield where two values differ: the place, and what stands there on either side."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{n}]")
    elif one != other or type(one) is not type(other):
        yield path, one, other
