"""/files: what a turn changed, with links."""

from bot.links import Links
from bot.texts import about
from bot.texts import showing as texts
from commands.registry import Invocation, command
from commands.turns import named, turn_or_last
from store.records import FileChange, TurnRecord

SHOWN = 20


@command("files", alias=("文件",), topic=about.FILES, about=about.FILE_LIST)
async def files(invocation: Invocation) -> str:
    """List the files that a turn changed, or has changed so far."""
    language, services = invocation.language, invocation.services
    turn = await turn_or_last(invocation, about.FILE_LIST.usage.say(language))
    changes = await services.files.changes(turn.n)
    if not changes:
        return texts.FILES_NONE.say(language, turn=named(invocation, turn))
    head = texts.FILES_HEAD.say(language, turn=named(invocation, turn), count=len(changes))
    lines = [head, *(_line(invocation, change) for change in changes[:SHOWN])]
    if len(changes) > SHOWN:
        lines.append(texts.FILES_MORE.say(language, count=len(changes) - SHOWN))
    return "\n".join((*lines, "", where_to_look(invocation, turn)))


def where_to_look(invocation: Invocation, turn: TurnRecord) -> str:
    """Return the link to everything that a turn changed, or why there is none."""
    page = invocation.services.links.page(turn.n)
    text = texts.PAGE if page else texts.NO_LINKS
    return text.say(invocation.language, url=page)


def counted(change: FileChange) -> str:
    """Return the lines added and removed, empty for what is no text."""
    if change.added is None or change.removed is None:
        return ""
    return f" +{change.added} −{change.removed}"


def _line(invocation: Invocation, change: FileChange) -> str:
    services = invocation.services
    if change.kind == "deleted":
        return f"- {change.path} {texts.DELETED.say(invocation.language)}"
    shown = services.files.obstacle(change) == ""
    return f"- {_linked(services.links, change) if shown else change.path}{counted(change)}"


def _linked(links: Links, change: FileChange) -> str:
    url = links.raw(change.turn, change.path)
    name = change.path.replace("[", "\\[").replace("]", "\\]")
    return f"[{name}]({url})" if url else change.path
