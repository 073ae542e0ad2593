"""Show what WeCom's page wants, and wait until WeCom's request has arrived and was answered."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from datetime import datetime

from bot.setup.listening import Heard, PortTaken, opened_door, wait_verified
from bot.setup.live import Live, find_live
from bot.setup.steps.address import ask_address, callback_url
from bot.setup.steps.wecom import ask_wecom
from bot.setup.wizard import Wizard
from config.quantities import write_seconds
from config.settings import Settings

AGAIN, CHANGE, MOVE, ON = "again", "change", "move", "on"
WHAT_NOW = {
    AGAIN: "Wait again",
    CHANGE: "Give another Token and EncodingAESKey",
    MOVE: "Give another address or port",
    ON: "Go on without it: save in WeCom's page later",
}


def connect(wizard: Wizard) -> None:
    """Wait for WeCom's request, and for the first message, as often as is wished."""
    terminal = wizard.terminal
    url = callback_url(wizard.draft.text("server.public_url"))
    terminal.say(f"The callback URL to enter in WeCom's page: {url}")
    if not terminal.confirm(
        "Wait here for WeCom's request?", default=wizard.callback != wizard.callback_before
    ):
        return
    owner = not wizard.draft.get("access.admins")
    owner = terminal.confirm("And then for a first message, to see who you are?", default=owner)
    while True:
        _once(wizard, owner=owner)
        if wizard.verified:
            return
        now = terminal.choose("WeCom's request has not arrived. What now?", WHAT_NOW)
        if now == ON:
            return
        if now == CHANGE:
            ask_wecom(wizard)
        elif now == MOVE:
            ask_address(wizard)


def _once(wizard: Wizard, *, owner: bool) -> None:
    heard = Heard()
    settings = wizard.draft.settings()
    say = wizard.terminal.say
    with _screen(wizard):
        say("Enter this in WeCom's page, then save (保存):")
        say()
        say(f"  URL             {callback_url(str(settings.server.public_url))}")
        if wizard.generated:
            say(f"  Token           {wizard.callback[0]}")
            say(f"  EncodingAESKey  {wizard.callback[1]}")
        else:
            say("  Token and EncodingAESKey as you have given them here")
        say()
        why = _run(_wait(wizard, settings, heard, owner=owner))
    wizard.verified = wizard.verified or heard.verified
    say("WeCom's request has arrived and was answered." if heard.verified else why)
    if heard.visitor is not None:
        wizard.owner = heard.visitor.sender
        say(f"The first message came from {wizard.owner}.")
        for name, come in (("direct", heard.direct), ("group", heard.group)):
            say(f"  {name} messages: {'one has arrived' if come.is_set() else 'none was seen'}")
        wizard.draft.note_heard(f"{datetime.now().astimezone():%Y-%m-%d}: {heard.words}")
    elif heard.verified and owner and why:
        say(why)


@contextlib.contextmanager
def _screen(wizard: Wizard) -> Iterator[None]:
    """Keep Token and key out of what a terminal remembers, where they must be shown."""
    with wizard.terminal.passing() if wizard.generated else contextlib.nullcontext():
        yield


def _run(waiting: Coroutine[None, None, str]) -> str:
    try:
        return asyncio.run(waiting)
    except KeyboardInterrupt:
        return "Stopped waiting."


async def _wait(wizard: Wizard, settings: Settings, heard: Heard, *, owner: bool) -> str:
    """Wait for all that is wished; return why something has not come."""
    live = await find_live(settings)
    if live is not None:
        return await _watch(wizard, live, heard)
    say = wizard.terminal.say
    try:
        async with opened_door(settings, heard) as door:
            wrong = await door.reached_by(str(settings.server.public_url))
            say(
                f"The public URL does not lead here: {wrong}."
                if wrong
                else "The public URL leads here."
            )
            say(
                f"Waiting for WeCom's request for {write_seconds(wizard.limit_s)} … (Ctrl-C goes on)"
            )
            await wait_verified(door, {}, heard, say, wizard.limit_s)
            if owner:
                await _messages(wizard, heard)
    except PortTaken as exc:
        return f"Nobody can wait for it: {exc}."
    except TimeoutError:
        return "Nothing has come in time."
    return ""


async def _messages(wizard: Wizard, heard: Heard) -> None:
    """Wait for a first message, then for one of a chat of the other kind; raises ``TimeoutError``."""
    say = wizard.terminal.say
    say("It has arrived. Now write to the bot: 请现在给机器人发“你好”. (Ctrl-C goes on)")
    async with asyncio.timeout(wizard.limit_s):
        await heard.visited.wait()
    if not heard.group.is_set():
        say(
            "It has arrived. Now one in a group: 请把机器人加进群，@它 说“你好”. (Ctrl-C goes on without)"
        )
    elif not heard.direct.is_set():
        say(
            "It has arrived. Now one to the bot itself: 请单独给机器人发“你好”. (Ctrl-C goes on without)"
        )
    async with asyncio.timeout(wizard.limit_s):
        await heard.direct.wait()
        await heard.group.wait()


async def _watch(wizard: Wizard, live: Live, heard: Heard) -> str:
    """Let the service that runs there answer, and look at what it counts."""
    say = wizard.terminal.say
    if wizard.callback != wizard.callback_before:
        return (
            f"The service already runs on {live.url}, with the former Token and key: stop it, and "
            "wait again."
        )
    say(f"The service runs on {live.url}: watching what arrives there. (Ctrl-C goes on)")
    try:
        await wait_verified(live, live.counted, heard, say, wizard.limit_s)
    except TimeoutError:
        return "Nothing has come in time."
    return "To see who you are, write /whoami to the bot."
