"""/pending: what waits for a person's decision."""

from bot.asks import pending_of
from bot.fitting import fit
from bot.render import Pending, for_tool
from bot.render import ask as rendered
from bot.texts import about
from bot.texts import asks as texts
from commands.registry import Invocation, command

ASK_BYTES = 4_000
ALL_BYTES = 16_000


@command("pending", alias=("待批准",), topic=about.APPROVALS, about=about.PENDING)
async def pending(invocation: Invocation) -> str:
    """List the open requests and questions with their codes, in full: nobody allows what is hidden."""
    asks = await invocation.services.asks.open(invocation.chat.key)
    if not asks:
        return texts.NOTHING_OPEN.say(invocation.language)
    running = invocation.services.turns.running(invocation.chat.key)
    session = running.record.session if running else ""
    shown = [pending_of(ask, session) for ask in asks]
    if running is not None:
        shown = [for_tool(one, running.summary) for one in shown]
    blocks = (_block(invocation, one) for one in shown)
    return fit("\n\n".join(blocks), ALL_BYTES)


def _block(invocation: Invocation, waiting: Pending) -> str:
    now = invocation.services.clock()
    return fit(rendered(waiting, invocation.language, now, whole=True), ASK_BYTES)
