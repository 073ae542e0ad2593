"""WeCom's other channels: the bot's long connection, the application, and the webhook of notices."""

from collections.abc import Iterable, Mapping

from bot.doctor.asking import FAILURES, asking_directly, why
from bot.doctor.callback import APP_PATH, Held
from bot.doctor.checks.proof import RESTART, proved
from bot.doctor.credentials import NotReached, code_of, reached, subscribed, token_code
from bot.doctor.findings import Check, Finding, check
from bot.doctor.reading import MINUTE_MS, age
from bot.doctor.scene import Scene
from bot.doctor.wecom_codes import mend_in, mend_of
from bot.texts import doctor as titles
from bot.texts.caretakers import TRIED

ONE = "see that one service alone uses this bot: WeCom knows one connection of it"
LOOK = "look for `api.` and `webhook.` in the log"
REACH = "let this machine reach {}: DNS, firewall, proxy"
PATIENCE_MS = 5 * MINUTE_MS  # so long a connection may be on its way


@check("wecom.connection", titles.WECOM_CONNECTION, limit_s=15.0)
async def connection(scene: Scene) -> Iterable[Finding]:
    """Say how the bot's long connection stands; without the service, whether its address is reached."""
    if not scene.settings.wecom.bot.connects:
        return []
    if scene.live is None:
        return [await _tried(scene)]
    told = scene.told("platforms", "wecom.connection")
    if not isinstance(told, Mapping) or not told.get("on"):
        return [connection.error("the running service holds no long connection", RESTART)]
    return [_stands(scene, told)]


def _stands(scene: Scene, told: Mapping[str, object]) -> Finding:
    state, trouble = str(told.get("state")), str(told.get("trouble") or "")
    said = f"{state}{_since(scene, told)}, {_heard(scene, told)}"
    kicks = told.get("kicks_24h")
    if kicks:
        said += f"; cut off by another connection {kicks} times within 24 h"
    if trouble:
        said += f"; {trouble}"
    if state == "kicked":
        return connection.error(said, ONE)
    if state == "refused":
        return connection.error(said, mend_of(853000))
    if state != "up" and _lasts_ms(scene, told) > PATIENCE_MS:
        return connection.error(said, REACH.format(scene.settings.wecom.ws_url))
    if kicks:
        return connection.warning(said, ONE)
    if trouble or state != "up":
        return connection.warning(said, "run doctor again in a minute; then look at its log")
    return connection.fine(said)


def _since(scene: Scene, told: Mapping[str, object]) -> str:
    return f" for {age(_lasts_ms(scene, told))}" if told.get("since") else ""


def _lasts_ms(scene: Scene, told: Mapping[str, object]) -> int:
    since = told.get("since")
    return scene.now - since if isinstance(since, int) and since else 0


def _heard(scene: Scene, told: Mapping[str, object]) -> str:
    ping = told.get("ping_ms")
    words = [f"ping {ping} ms" if isinstance(ping, int | float) else "no ping yet"]
    for kind in ("direct", "group"):
        at = told.get(f"last_{kind}_at")
        heard = isinstance(at, int) and at > 0
        words.append(f"{kind} {age(scene.now - int(str(at)))} ago" if heard else f"{kind} never")
    return ", ".join(words)


async def _tried(scene: Scene) -> Finding:
    """Reach the address; with ``--deep`` subscribe, which nobody loses by while the service is down."""
    wecom = scene.settings.wecom
    secret = wecom.bot.secret
    assert secret is not None, "the connection is on"
    try:
        if not scene.deep or scene.slow:
            await reached(wecom.ws_url)
            said = f"{wecom.ws_url} is reached; whether the bot is let in was not tried"
            return connection.fine(f"{said}: --deep does, and cuts off who holds the connection")
        code = await subscribed(wecom.ws_url, wecom.bot.bot_id, secret.get_secret_value())
    except NotReached as exc:
        said = f"{wecom.ws_url} is not reached ({exc})"
        return connection.error(said, REACH.format(wecom.ws_url))
    if code:
        return connection.error(f"WeCom does not let the bot in: errcode {code}", mend_of(code))
    return connection.fine(
        f"{wecom.ws_url} lets the bot in; another service that held it was cut off"
    )


@check("wecom.app", titles.WECOM_APP, limit_s=15.0)
async def app(scene: Scene) -> Iterable[Finding]:
    """Ask WeCom for a token of the application, and see what the service has met."""
    settings = scene.settings.wecom.app
    if not settings.on or settings.secret is None:
        return []
    told = scene.told("platforms", "wecom.app")
    if scene.live is not None and not (isinstance(told, Mapping) and told.get("on")):
        return [app.error("the running service serves no application", RESTART)]
    url, secret = scene.settings.wecom.api_url, settings.secret.get_secret_value()
    try:
        code = await token_code(url, settings.corp_id, secret)
    except NotReached as exc:
        return [app.error(f"{url} is not reached ({exc})", REACH.format(url))]
    if code:
        return [app.error(f"WeCom gives no token: errcode {code}", mend_of(code))]
    trouble = str(told.get("trouble") or "") if isinstance(told, Mapping) else ""
    if trouble:
        return [
            app.error(f"WeCom gives a token; the service met: {trouble}", mend_in(trouble) or LOOK)
        ]
    return [app.fine(f"{url} gives a token to application {settings.agent_id}")]


@check("wecom.app_callback", titles.WECOM_APP_CALLBACK, limit_s=15.0)
async def app_callback(scene: Scene) -> Iterable[Finding]:
    """Verify the application's callback as WeCom does: the service itself, then by its public URL."""
    settings = scene.settings.wecom.app
    if not settings.on or settings.token is None or settings.aes_key is None:
        return []
    token, aes_key = settings.token.get_secret_value(), settings.aes_key.get_secret_value()
    return await proved(app_callback, scene, Held(APP_PATH, token, aes_key, settings.corp_id))


@check("wecom.webhook", titles.WECOM_WEBHOOK, limit_s=15.0)
async def webhook(scene: Scene) -> Iterable[Finding]:
    """See whether notices to those who look after the service leave; with ``--deep`` send one."""
    key = scene.settings.wecom.webhook.key
    if key is None:
        return []
    told = scene.told("platforms", "wecom.webhook")
    if isinstance(told, Mapping) and told.get("refused"):
        return [webhook.error("WeCom refuses the key: nothing leaves any more", mend_of(93000))]
    if scene.deep:
        return [await _told(scene, key.get_secret_value())]
    if not isinstance(told, Mapping):
        return [webhook.fine("a key is set; --deep sends a line to its group")]
    said = f"{told.get('sent')} notices sent since the start, {told.get('waiting')} wait"
    if problem := told.get("problem"):
        return [
            webhook.warning(f"{said}; the last one met: {problem}", mend_in(str(problem)) or LOOK)
        ]
    return [webhook.fine(said)]


async def _told(scene: Scene, key: str) -> Finding:
    url, body = scene.settings.wecom.api_url, {"content": TRIED.say("zh")}
    message = {"msgtype": "markdown", "markdown": body}
    try:
        async with asking_directly() as http:
            address = f"{url}/cgi-bin/webhook/send"
            code = code_of(await http.post(address, params={"key": key}, json=message))
    except FAILURES as exc:
        return webhook.error(f"{url} is not reached ({why(exc)})", REACH.format(url))
    except NotReached as exc:
        return webhook.error(f"{url} is not reached ({exc})", REACH.format(url))
    if code:
        return webhook.error(f"WeCom takes no notice: errcode {code}", mend_of(code))
    return webhook.fine("a line was sent to its group")


CONNECTION: tuple[Check, ...] = (connection,)
APPLICATION: tuple[Check, ...] = (app, app_callback)
NOTICES: tuple[Check, ...] = (webhook,)
