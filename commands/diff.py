"""/diff: what a turn changed in the files."""

from bot.fitting import fit
from bot.texts import Text, about
from bot.texts import showing as texts
from commands.files import counted, where_to_look
from commands.registry import Invocation, command
from commands.turns import named, turn_or_last
from store.records import OPEN_STATES, FileChange, TurnRecord

SHOWN = 20
DIFF_BYTES = 6_000
FENCE = "`````"


@command("diff", alias=("差异",), topic=about.FILES, about=about.DIFF)
async def diff(invocation: Invocation) -> str:
    """Link to the diff; where links are off, show the beginning of it."""
    language, services = invocation.language, invocation.services
    turn = await turn_or_last(invocation, about.DIFF.usage.say(language))
    if turn.state in OPEN_STATES:
        return texts.FILES_RUNNING.say(language, n=turn.n)
    changes = await services.files.changes(turn.n)
    if not changes:
        return texts.FILES_NONE.say(language, turn=named(invocation, turn))
    head = texts.DIFF_HEAD.say(language, turn=named(invocation, turn))
    if services.links.page(turn.n) is None:
        return f"{head}\n{await _in_words(invocation, turn, changes)}"
    lines = [f"- {change.path}{counted(change)}" for change in changes[:SHOWN]]
    if len(changes) > SHOWN:
        lines.append(texts.FILES_MORE.say(language, count=len(changes) - SHOWN))
    return "\n".join((head, *lines, "", where_to_look(invocation, turn)))


async def _in_words(
    invocation: Invocation, turn: TurnRecord, changes: tuple[FileChange, ...]
) -> str:
    """Return the diffs of as many files as there is room for."""
    shown, room = [], DIFF_BYTES
    for change in changes:
        if room <= 0:
            break
        shown.append(await _compared(invocation, change))
        room -= len(shown[-1].encode())
    if room >= 0 and len(shown) == len(changes):
        return "\n".join(shown)
    text = fit("\n".join(shown), DIFF_BYTES)
    cut = texts.DIFF_CUT.say(invocation.language, n=turn.n)
    return f"{text}\n{cut}"


async def _compared(invocation: Invocation, change: FileChange) -> str:
    compared = await invocation.services.files.compare(change)
    if isinstance(compared, Text):
        return compared.say(invocation.language, path=change.path)
    return f"{FENCE}diff\n{compared.rstrip()}\n{FENCE}"
