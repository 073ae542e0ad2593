"""/send: bring a file of the workspace into the chat."""

from bot.errors import UserError
from bot.links import Links
from bot.messages import SendsMedia
from bot.render import path_of
from bot.texts import about
from bot.texts import commands as usage
from bot.texts import showing as texts
from commands.registry import Invocation, Show, command
from store.records import OPEN_STATES

SAID = {
    "sent": texts.SENT,
    "unsent": texts.SEND_LATER,
    "refused": texts.SEND_REFUSED,
    "doubtful": texts.SEND_DOUBTFUL,
}
RECENT = 5  # turns that are asked for a link


@command("send", alias=("发送",), topic=about.FILES, about=about.SEND)
async def send(invocation: Invocation) -> str | Show:
    """Send a file as the channel can: as a message, as a picture of the reply, else as a link."""
    services, language = invocation.services, invocation.language
    if not invocation.rest.strip():
        raise UserError(usage.USAGE, usage=about.SEND.usage.say(language))
    workspace = await services.sessions.directory(invocation.chat)
    path, medium = await services.files.take(workspace, invocation.rest.strip())
    shown = path_of(path)
    replies = services.outlets.of(invocation.message.channel)
    if isinstance(replies, SendsMedia):
        sent = await replies.send_medium(invocation.chat.key, medium)
        return SAID[sent].say(language, path=shown, link=await _link(invocation, path))
    link = await _link(invocation, path)
    linked = (texts.SEND_LINKED if link else texts.SEND_UNLINKED).say(
        language, path=shown, link=link
    )
    if medium.kind == "image" and len(medium.content) <= Show.IMAGE_BYTES:
        return Show(texts.SENT_HERE.say(language, path=shown), (medium,), linked)
    return linked


async def _link(invocation: Invocation, path: str) -> str:
    """Return a link to the file as one of the last turns left it, empty where there is none."""
    services = invocation.services
    for turn in await services.store.turns.recent(invocation.chat.key, RECENT):
        if turn.state in OPEN_STATES:
            continue
        opened = await services.files.open(turn.n, path)
        if opened is not None:
            opened.close()
            return _linked(services.links, turn.n, path)
    return ""


def _linked(links: Links, n: int, path: str) -> str:
    url = links.raw(n, path)
    return f"[{path_of(path)}]({url})" if url else ""
