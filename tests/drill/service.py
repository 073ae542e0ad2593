"""The service as the drill runs it: the real one, with short times and an armed crash point.

``DRILL_SYNCHRONOUS=NORMAL`` makes it acknowledge what is not on the disk: the check of the drill.
"""

import os
import sys

import uvloop

from bot import app, leaving
from bot.errors import StartError
from bot.opencode import server_external
from bot.turns import following, lanes, progress, prompting, run
from config.logs import set_up
from config.settings import load_settings
from handlers.wecom import budget, posts
from handlers.wecom.connection import recovery
from handlers.wecom.connection.pace import Pace
from handlers.wecom.timing import Timing
from store.crashpoints import arm

TIMING = Timing(
    window_ms=60_000,
    hand_over_ms=2_500,
    patience_s=1.0,
    again_after_s=0.2,
    flush_every_s=0.2,
    pace=Pace(
        ack_s=2.0,
        back_off_s=0.05,
        longest_s=0.2,
        update_every_s=0.4,
        rest_s=2.0,
        patience_s=1.0,
        accept_again_s=(0.1, 0.2),
    ),
)
SHORT = {
    prompting: {"DOUBT_S": 0.2, "CALL_TICK_S": 0.05},
    run: {"RETRY_S": 0.2, "READY_TICK_S": 0.1},
    following: {"TICK_S": 0.1, "SOON_MS": 100, "POLL_MS": 300, "RETRY_MS": 300},
    progress: {"SHOW_EVERY_MS": 100},
    lanes: {"FLUSH_S": 0.2},
    leaving: {"LINGER_S": 0.3},
    recovery: {"LOOK_S": 0.5},
    budget: {"MINUTE_MS": 6_000, "HOUR_MS": 360_000, "MARGIN_MS": 200},  # as ``ways.FASTER`` says
    posts: {"LIMITED_S": 2, "DELAYS_S": (0.2, 0.5, 1, 2, 5, 5)},
    server_external: {"LOOK_WHILE_DOWN_S": 0.1},
}


def hurry():
    """Shorten what people would wait for; a constant that is not there any more is a mistake here."""
    for module, values in SHORT.items():
        for name, value in values.items():
            assert hasattr(module, name), f"{module.__name__} has no {name}"
            setattr(module, name, value)


async def serve(settings, hide):
    """Run as ``bot.app.serve`` does."""
    ended = leaving.told_to_end()
    async with app.opened(settings, hide=hide, timing=TIMING, ended=ended) as service:
        if wanted := os.environ.get("DRILL_SYNCHRONOUS"):
            await _synchronous(service, wanted)
        await ended.wait()
    app.check_end(service)


async def _synchronous(service, mode):
    gate = service.services.store.database._writer
    await gate._connection.put(lambda sqlite: sqlite.execute(f"PRAGMA synchronous = {mode}"))


def main():
    arm(os.environ)
    hurry()
    settings = load_settings(None, os.environ)
    mask = set_up(secrets=settings.secrets(), level="info")
    try:
        uvloop.run(serve(settings, mask.hide))
    except StartError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
