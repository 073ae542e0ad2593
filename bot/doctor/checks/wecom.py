"""WeCom: the AI bot over its callback, from its settings to the last message that came in."""

from collections.abc import Iterable, Mapping
from functools import partial

from bot.doctor.asking import FAILURES, asking, asking_directly, why
from bot.doctor.callback import PATH, verified
from bot.doctor.findings import Check, Finding, check
from bot.doctor.reading import DAY_MS, age, read
from bot.doctor.scene import Scene
from bot.texts import doctor as titles
from store import looking

CONSOLE = "the bot's page in WeCom's administration (docs/howto/connect-wecom.md)"
RESTART = "systemctl restart opencode-wecom, so that it uses the settings of now"
# Why the callback refuses what another Token, another key, another bot or another clock sealed.
OTHER_KEY = ("signature", "base64", "size", "padding", "length", "receiver")
ACCEPTED = ("message", "repeat", "poll", "event", "ignored")
NOTHING = "nothing"  # of what answers
WEEK_MS = 7 * DAY_MS


@check("wecom.settings", titles.WECOM_SETTINGS)
async def settings(scene: Scene) -> Iterable[Finding]:
    """See whether the callback can be served."""
    bot = scene.settings.wecom.bot
    if not bot.on:
        said = "wecom.bot.token and wecom.bot.aes_key are not set: no message comes in"
        mend = f"set WECOM_BOT_TOKEN and WECOM_BOT_AES_KEY from {CONSOLE}"
        return [settings.error(said, mend)]
    absent = [name for name in ("bot_id", "name") if not getattr(bot, name)]
    left_out = f"; not set, and not needed: {', '.join(absent)}" if absent else ""
    return [settings.fine(f"Token and EncodingAESKey are set{left_out}")]


@check("wecom.callback", titles.WECOM_CALLBACK, limit_s=15.0)
async def callback(scene: Scene) -> Iterable[Finding]:
    """Verify the callback as WeCom does: the service itself, then by its public URL."""
    if not scene.settings.wecom.bot.on or scene.live is None:
        return []
    if found := await _holds_key(scene, scene.url):
        said = f"the running service answers {found}: it has other secrets than the settings"
        return [callback.error(said, RESTART)]
    public = scene.settings.server.public_url
    if public is None:
        said = f"{scene.url}{PATH} proves the key; whether WeCom reaches it is not known"
        return [callback.fine(said)]
    if found := await _holds_key(scene, public):
        said = f"{public}{PATH} answers {found}, this machine's own {scene.url}{PATH} is right"
        mend = f"pass {PATH} on to {scene.url}, query and all (docs/howto/nginx.md)"
        if found.startswith(NOTHING):
            mend = "mend what *Way in by the public URL* names, in the group Viewer"
        return [callback.error(said, mend)]
    return [callback.fine(f"{public}{PATH} proves the key; this is what WeCom must be given")]


async def _holds_key(scene: Scene, url: str) -> str:
    """Return how a URL answers WeCom's verification when not by the key; empty when by it."""
    bot = scene.settings.wecom.bot
    assert bot.token is not None, "the callback is on"
    assert bot.aes_key is not None, "the callback is on"
    secrets = bot.token.get_secret_value(), bot.aes_key.get_secret_value()
    try:
        async with asking(url) as http:
            held, answer = await verified(http, url, *secrets)
    except FAILURES as exc:
        return f"{NOTHING} ({why(exc)})"
    return "" if held else str(answer.status_code)


@check("wecom.refused", titles.WECOM_REFUSED)
async def refused(scene: Scene) -> Iterable[Finding]:
    """Look at what was refused since the start, which tells a wrong key from a wrong clock."""
    told = scene.told("platforms", "wecom.bot", "callbacks")
    if not isinstance(told, Mapping):
        return []
    taken = sum(_count(told, name) for name in ACCEPTED)
    sealed = sum(_count(told, f"refused {reason}") for reason in OTHER_KEY)
    stale, other_bot = _count(told, "refused stale"), _count(told, "refused bot id")
    said = f"{taken} taken in, {sealed} sealed with another key, {stale} too old since the start"
    if stale > taken:
        return [refused.error(said, "put this machine's clock right: timedatectl set-ntp true")]
    if other_bot > taken:
        return [
            refused.error(
                f"{said}; {other_bot} of another bot", f"correct WECOM_BOT_ID by {CONSOLE}"
            )
        ]
    if sealed > taken:
        return [refused.error(said, f"copy Token and EncodingAESKey anew from {CONSOLE}")]
    return [refused.fine(said)]


def _count(told: Mapping[str, object], name: str) -> int:
    found = told.get(name)
    return found if isinstance(found, int) else 0


@check("wecom.contact", titles.WECOM_CONTACT)
async def contact(scene: Scene) -> Iterable[Finding]:
    """Say when a direct chat and when a group was heard of last."""
    found = await read(scene, looking.contacts)
    if found is None or not scene.settings.wecom.bot.on:
        return []
    said = ", ".join(
        f"{kind} {age(scene.now - found[kind])} ago" if kind in found else f"{kind} never"
        for kind in ("direct", "group")
    )
    if not found:
        mend = f"write to the bot in WeCom; if nothing comes, compare the callback URL on {CONSOLE}"
        return [contact.warning(said, mend)]
    return [contact.fine(said)]


@check("wecom.people", titles.WECOM_PEOPLE)
async def people(scene: Scene) -> Iterable[Finding]:
    """See whether anybody is admitted, and how many wrote who are not."""
    access = scene.settings.access
    counts = [
        f"{'everybody' if '*' in listed else len(listed)} {role}"
        for role, listed in (
            ("admins", access.admins),
            ("maintainers", access.maintainers),
            ("members", access.members),
        )
    ]
    said = ", ".join(counts)
    if not (access.admins or access.maintainers or access.members):
        mend = "set access.admins (BOT_ADMINS) and access.members (BOT_MEMBERS), then restart"
        return [people.error("nobody is admitted", mend)]
    strangers = await read(scene, partial(looking.strangers, since=scene.now - WEEK_MS))
    if strangers:
        said += f"; {strangers} wrote within a week who are not admitted"
    return [people.fine(said)]


@check("wecom.api", titles.WECOM_API)
async def api(scene: Scene) -> Iterable[Finding]:
    """Reach WeCom's API, to which late answers are posted."""
    if not scene.settings.wecom.bot.on:
        return []
    url = scene.settings.wecom.api_url
    try:
        async with asking_directly() as http:
            answer = await http.get(url)
    except FAILURES as exc:
        mend = f"let this machine reach {url} itself: DNS, firewall (late answers go by no proxy)"
        return [api.error(f"{url} is not reached ({why(exc)}): late answers cannot leave", mend)]
    return [api.fine(f"{url} answers within {answer.elapsed.total_seconds() * 1000:.0f} ms")]


@check("wecom.ways_out", titles.WECOM_WAY_OUT)
async def ways_out(scene: Scene) -> Iterable[Finding]:
    """Look at the budget of answers: open bubbles, and those that failed of late, with the cause."""
    found = await read(scene, looking.deliveries)
    if found is None:
        return []
    bubbles = scene.told("platforms", "wecom.bot", "open_bubbles")
    due = found["due"].count if "due" in found else 0
    said = f"{due} answers wait for an address"
    if isinstance(bubbles, int):
        said = f"{bubbles} open bubbles, {said}"
    failed = found.get("failed")
    if failed is None or scene.now - failed.newest_change > DAY_MS:
        return [ways_out.fine(said)]
    cause = await read(scene, looking.last_cause)
    said += f"; {failed.count} failed, the newest {age(scene.now - failed.newest_change)} ago"
    mend = "mend the cause, then send it again from /admin/outbox?state=failed"
    return [ways_out.warning(f"{said} ({cause or 'no cause'})", mend)]


CHECKS: tuple[Check, ...] = (
    *(settings, callback, refused, contact),
    *(people, api, ways_out),
)
