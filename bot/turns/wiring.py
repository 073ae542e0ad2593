"""Put the turn engine together."""

from bot.background import Background
from bot.messages import Outlets
from bot.opencode.ids import MessageIds
from bot.turns.calming import Calmer
from bot.turns.enclosing import Encloser
from bot.turns.ending import Ender
from bot.turns.following import Follower
from bot.turns.lanes import Turns
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.prompting import Prompter
from bot.turns.run import Runner


def build_turns(parts: Parts, ids: MessageIds, outlets: Outlets, background: Background) -> Turns:
    """Return the lanes with everything below them."""
    progress = Progress(parts)
    prompter = Prompter(parts, ids, background)
    calmer, follower = Calmer(parts, progress), Follower(parts, progress)
    runner = Runner(
        parts, calmer, Encloser(parts, progress), prompter, follower, progress, Ender(parts)
    )
    limit_ms = round(parts.settings.turn.timeout * 1000)
    gate = parts.server.gate
    return Turns(parts.store, runner, outlets, background, parts.clock, gate, limit_ms=limit_ms)
