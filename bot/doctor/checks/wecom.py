"""WeCom: its channels, the AI bot's callback first, from the settings to the last message that came in."""

from collections.abc import Iterable, Mapping
from functools import partial

from bot.doctor.asking import FAILURES, asking_directly, why
from bot.doctor.callback import PATH, Held
from bot.doctor.checks.proof import proved
from bot.doctor.checks.wecom_channels import APPLICATION, CONNECTION, NOTICES
from bot.doctor.findings import Check, Finding, check
from bot.doctor.reading import DAY_MS, age, read
from bot.doctor.scene import Scene
from bot.texts import doctor as titles
from store import looking

CONSOLE = "the bot's page in WeCom's administration (docs/howto/connect-wecom.md)"
APP_CONSOLE = "the application's page in WeCom's administration (docs/howto/connect-wecom.md)"
# Why the callback refuses what another Token, another key, another bot or another clock sealed.
OTHER_KEY = ("signature", "base64", "size", "padding", "length", "receiver")
ACCEPTED = ("message", "repeat", "poll", "event", "ignored")
WEEK_MS = 7 * DAY_MS


@check("wecom.settings", titles.WECOM_SETTINGS)
async def settings(scene: Scene) -> Iterable[Finding]:
    """See by which channels messages come in."""
    wecom = scene.settings.wecom
    if not wecom.on:
        said = "no channel is set: no message comes in"
        mend = (
            "set WECOM_BOT_ID and WECOM_BOT_SECRET (long connection), or WECOM_BOT_TOKEN and "
            f"WECOM_BOT_AES_KEY (callback), from {CONSOLE}"
        )
        return [settings.error(said, mend)]
    ways = {
        "the bot's long connection": wecom.bot.connects,
        "the bot's callback": wecom.bot.on,
        f"application {wecom.app.agent_id}": wecom.app.on,
    }
    absent = [] if wecom.bot.bot_id or not wecom.bot.on else ["bot_id"]
    absent += [] if wecom.bot.name or not (wecom.bot.on or wecom.bot.connects) else ["name"]
    left_out = f"; not set, and not needed: {', '.join(absent)}" if absent else ""
    return [settings.fine(", ".join(way for way, on in ways.items() if on) + left_out)]


@check("wecom.callback", titles.WECOM_CALLBACK, limit_s=15.0)
async def callback(scene: Scene) -> Iterable[Finding]:
    """Verify the callback as WeCom does: the service itself, then by its public URL."""
    bot = scene.settings.wecom.bot
    if bot.token is None or bot.aes_key is None:
        return []
    token, aes_key = bot.token.get_secret_value(), bot.aes_key.get_secret_value()
    return await proved(callback, scene, Held(PATH, token, aes_key))


@check("wecom.refused", titles.WECOM_REFUSED)
async def refused(scene: Scene) -> Iterable[Finding]:
    """Look at what was refused since the start, which tells a wrong key from a wrong clock."""
    found = []
    for name, page in (("wecom.bot", CONSOLE), ("wecom.app", APP_CONSOLE)):
        told = scene.told("platforms", name, "callbacks")
        if isinstance(told, Mapping):
            found.append(_refusals(told, page, "" if name == "wecom.bot" else "application: "))
    return found


def _refusals(told: Mapping[str, object], page: str, whose: str) -> Finding:
    taken = sum(_count(told, name) for name in ACCEPTED)
    sealed = sum(_count(told, f"refused {reason}") for reason in OTHER_KEY)
    stale = _count(told, "refused stale")
    others = sum(_count(told, f"refused {one}") for one in ("bot id", "corp id", "agent id"))
    seen = f"{taken} taken in, {sealed} sealed with another key, {stale} too old since the start"
    said = f"{whose}{seen}"
    if stale > taken:
        return refused.error(said, "put this machine's clock right: timedatectl set-ntp true")
    if others > taken:
        ids = "WECOM_CORP_ID and WECOM_AGENT_ID" if whose else "WECOM_BOT_ID"
        of = "application" if whose else "bot"
        return refused.error(f"{said}; {others} of another {of}", f"correct {ids} by {page}")
    if sealed > taken:
        return refused.error(said, f"copy Token and EncodingAESKey anew from {page}")
    return refused.fine(said)


def _count(told: Mapping[str, object], name: str) -> int:
    found = told.get(name)
    return found if isinstance(found, int) else 0


@check("wecom.contact", titles.WECOM_CONTACT)
async def contact(scene: Scene) -> Iterable[Finding]:
    """Say when a direct chat and when a group was heard of last."""
    found = await read(scene, looking.contacts)
    if found is None or not scene.settings.wecom.on:
        return []
    said = ", ".join(
        f"{kind} {age(scene.now - found[kind])} ago" if kind in found else f"{kind} never"
        for kind in ("direct", "group")
    )
    if not found:
        mend = f"write to the bot in WeCom; if nothing comes, compare the settings with {CONSOLE}"
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
    """Reach WeCom's API, to which late answers of the callback and notices are posted."""
    wecom = scene.settings.wecom
    if not wecom.bot.on and wecom.webhook.key is None:
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
    *(settings, *CONNECTION, callback, refused, *APPLICATION, contact),
    *(people, api, ways_out, *NOTICES),
)
