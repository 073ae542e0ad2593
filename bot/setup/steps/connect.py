"""Show what WeCom's pages want, and wait until WeCom has shown that it takes what was given."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from datetime import datetime

from bot.doctor.credentials import NotReached, token_code
from bot.doctor.wecom_codes import mend_of
from bot.setup.listening import Heard, PortTaken, opened_door, wait_verified
from bot.setup.live import Live, find_live
from bot.setup.seen import PROVED, Seen
from bot.setup.steps.address import ask_address, callback_urls
from bot.setup.steps.channels import CALLBACK, CONNECTION
from bot.setup.steps.wecom import APP, BOT, ask_wecom
from bot.setup.wizard import Wizard
from config.quantities import write_seconds
from config.settings import Settings

AGAIN, CHANGE, MOVE, ON = "again", "change", "move", "on"
WHAT_NOW = {
    AGAIN: "Wait again",
    CHANGE: "Give other credentials",
    MOVE: "Give another address or port",
    ON: "Go on without it: finish in WeCom's page later",
}
CUTS_OFF = "Another service that holds this bot's long connection is cut off by that."


def connect(wizard: Wizard) -> None:
    """Wait for WeCom, and for the first message, as often as is wished."""
    terminal = wizard.terminal
    if not _is_wished(wizard):
        return
    owner = not wizard.draft.get("access.admins")
    owner = terminal.confirm("And then for a first message, to see who you are?", default=owner)
    while True:
        _once(wizard, owner=owner)
        if wizard.verified:
            return
        now = terminal.choose("WeCom has not shown that it works. What now?", WHAT_NOW)
        if now == ON:
            return
        if now == CHANGE:
            ask_wecom(wizard)
        elif now == MOVE:
            ask_address(wizard)


def _is_wished(wizard: Wizard) -> bool:
    terminal = wizard.terminal
    for what, url in callback_urls(wizard).items():
        terminal.say(f"The callback URL of {what}, to enter in WeCom's page: {url}")
    question = "Wait here for WeCom's request?"
    if wizard.way == CONNECTION:
        terminal.say(CUTS_OFF)
        question = "Connect to WeCom now?"
    return terminal.confirm(question, default=wizard.credentials != wizard.credentials_before)


def _once(wizard: Wizard, *, owner: bool) -> None:
    heard = Heard()
    settings = wizard.draft.settings()
    say = wizard.terminal.say
    with _screen(wizard):
        _show(wizard)
        why = _run(_wait(wizard, settings, heard, owner=owner))
    wizard.verified = wizard.verified or heard.verified
    for name in sorted(heard.proved) if wizard.generated else ():
        say(PROVED[name])  # once more: what was said on the screen that passes is gone
    if not heard.verified:
        say(why)
    if heard.visitor is not None:
        wizard.owner = heard.visitor.sender
        say(f"The first message came from {wizard.owner}.")
        for name, come in (("direct", heard.direct), ("group", heard.group)):
            say(f"  {name} messages: {'one has arrived' if come.is_set() else 'none was seen'}")
        wizard.draft.note_heard(f"{datetime.now().astimezone():%Y-%m-%d}: {heard.words}")
    elif heard.verified and owner and why:
        say(why)


def _show(wizard: Wizard) -> None:
    """Show what is to be entered; Token and key only where they were made here."""
    say = wizard.terminal.say
    tables = {"the bot": BOT, "the application": APP}
    for what, url in callback_urls(wizard).items():
        say(f"Enter this in WeCom's page of {what}, then save (保存):")
        say()
        say(f"  URL             {url}")
        if tables[what] in wizard.generated:
            token, key = wizard.seal(tables[what])
            say(f"  Token           {token}")
            say(f"  EncodingAESKey  {key}")
        else:
            say("  Token and EncodingAESKey as you have given them here")
        say()


@contextlib.contextmanager
def _screen(wizard: Wizard) -> Iterator[None]:
    """Keep Tokens and keys out of what a terminal remembers, where they must be shown."""
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
    if refusal := await _refused(settings):
        return refusal
    try:
        async with opened_door(settings, heard) as door:
            if settings.server.public_url is not None:
                wrong = await door.reached_by(settings.server.public_url)
                leads = f"does not lead here: {wrong}" if wrong else "leads here"
                say(f"The public URL {leads}.")
            what = "WeCom" if wizard.way == CONNECTION else "WeCom's request"
            say(f"Waiting for {what} for {write_seconds(wizard.limit_s)} … (Ctrl-C goes on)")
            await wait_verified(door, Seen(), heard, say, wizard.limit_s)
            if owner:
                await _messages(wizard, heard)
    except PortTaken as exc:
        return f"Nobody can wait for it: {exc}."
    except TimeoutError:
        return "Nothing has come in time."
    return ""


async def _refused(settings: Settings) -> str:
    """Ask for the application's token once; say why there is none."""
    app = settings.wecom.app
    if not app.on or app.secret is None:
        return ""
    url = settings.wecom.api_url
    try:
        code = await token_code(url, app.corp_id, app.secret.get_secret_value())
    except NotReached as exc:
        return f"{url} is not reached ({exc}): the application cannot answer."
    return (
        f"WeCom gives the application no token (errcode {code}): {mend_of(code)}." if code else ""
    )


async def _messages(wizard: Wizard, heard: Heard) -> None:
    """Wait for a first message, then for one of a chat of the other kind; raises ``TimeoutError``."""
    say = wizard.terminal.say
    say("Now write to the bot: 请现在给机器人发“你好”. (Ctrl-C goes on)")
    async with asyncio.timeout(wizard.limit_s):
        await heard.visited.wait()
    if wizard.way not in {CONNECTION, CALLBACK}:
        return  # an application hears of no group
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
    if wizard.credentials != wizard.credentials_before:
        return (
            f"The service already runs on {live.url}, with the former credentials: stop it, and "
            "wait again."
        )
    say(f"The service runs on {live.url}: watching what arrives there. (Ctrl-C goes on)")
    try:
        await wait_verified(live, live.before, heard, say, wizard.limit_s)
    except TimeoutError:
        return "Nothing has come in time."
    return "To see who you are, write /whoami to the bot."
