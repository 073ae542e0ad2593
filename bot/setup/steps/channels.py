"""By which channels WeCom reaches the bot: its long connection or its callback, and an application."""

from collections.abc import Iterable

from bot.setup.wizard import APP_KEYS, CALLBACK_KEYS, CONNECTION_KEYS, Wizard

CONNECTION, CALLBACK, ALONE = "connection", "callback", "alone"
WAYS = {
    CONNECTION: "The AI bot by its long connection (长连接): no public address is needed",
    CALLBACK: "The AI bot by its callback URL (接收消息 URL): WeCom calls a public address of yours",
    ALONE: "No AI bot, a self-built application (自建应用) alone",
}


def ask_channels(wizard: Wizard) -> None:
    """Choose; what belongs to a channel that was not chosen is taken out."""
    way = wizard.terminal.choose("How shall messages come in?", WAYS, default=way_of(wizard))
    wizard.way = way
    wizard.app = way == ALONE or wizard.terminal.confirm(
        "A self-built application (自建应用) besides?", default=wizard.app
    )
    if way != CONNECTION:
        _drop(wizard, ["wecom.bot.secret"])
    if way != CALLBACK:
        _drop(wizard, CALLBACK_KEYS)
    if way == ALONE:
        _drop(wizard, CONNECTION_KEYS)
    if not wizard.app:
        _drop(wizard, APP_KEYS)


def way_of(wizard: Wizard) -> str:
    """Return what is configured already; the connection when nothing is."""
    draft = wizard.draft
    if draft.get("wecom.bot.token") and not draft.get("wecom.bot.secret"):
        return CALLBACK
    bot = any(draft.get(key) for key in CONNECTION_KEYS)
    return ALONE if draft.get("wecom.app.secret") and not bot else CONNECTION


def _drop(wizard: Wizard, keys: Iterable[str]) -> None:
    for key in keys:
        wizard.draft.drop(key)
