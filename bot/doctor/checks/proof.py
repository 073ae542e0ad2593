"""See that a callback proves its key: at the service itself, then by its public URL."""

from bot.doctor.asking import FAILURES, asking, why
from bot.doctor.callback import Held, verified
from bot.doctor.findings import Check, Finding
from bot.doctor.scene import Scene

RESTART = "systemctl restart opencode-wecom, so that it uses the settings of now"
NOTHING = "nothing"  # of what answers


async def proved(check: Check, scene: Scene, held: Held) -> list[Finding]:
    """Return what is found of a callback; nothing while the service does not run."""
    if scene.live is None:
        return []
    if found := await _other_answer(scene.url, held):
        said = f"the running service answers {found}: it has other secrets than the settings"
        return [check.error(said, RESTART)]
    public = scene.settings.server.public_url
    if public is None:
        said = f"{scene.url}{held.path} proves the key; whether WeCom reaches it is not known"
        return [check.fine(said)]
    if found := await _other_answer(public, held):
        here = f"{scene.url}{held.path}"
        said = f"{public}{held.path} answers {found}, this machine's own {here} is right"
        mend = f"pass {held.path} on to {scene.url}, query and all (docs/howto/nginx.md)"
        if found.startswith(NOTHING):
            mend = "mend what *Way in by the public URL* names, in the group Viewer"
        return [check.error(said, mend)]
    return [check.fine(f"{public}{held.path} proves the key; this is what WeCom must be given")]


async def _other_answer(url: str, held: Held) -> str:
    """Return how a URL answers WeCom's verification when not by the key; empty when by it."""
    try:
        async with asking(url) as http:
            holds, answer = await verified(http, url, held)
    except FAILURES as exc:
        return f"{NOTHING} ({why(exc)})"
    return "" if holds else str(answer.status_code)
