"""The tables of the settings file that are about WeCom, and its channels."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from config.keys import Key, Section
from config.shapes import AesKey, Hosts, Number, OneWordSecret, SocketUrl, WebUrl

WECOM_API = "https://qyapi.weixin.qq.com"
WECOM_SOCKET = "wss://openws.work.weixin.qq.com"
WECOM_HOSTS = ("qyapi.weixin.qq.com", "*.myqcloud.com")


class WeComBotSettings(Section):
    """The AI bot (智能机器人), over its encrypted callback or its long connection.

    The callback needs a token and a key, the connection the id and a secret; WeCom allows one.
    """

    token: Annotated[
        OneWordSecret | None,
        Key("The callback's Token.", "letters and digits", '"QDG6eK"', "WECOM_BOT_TOKEN"),
    ] = None
    aes_key: Annotated[
        AesKey | None,
        Key(
            "The callback's EncodingAESKey.",
            "43 characters of base64",
            '"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"',
            "WECOM_BOT_AES_KEY",
        ),
    ] = None
    bot_id: Annotated[
        str,
        Key(
            "The bot's id; callbacks of another are refused. The long connection needs it.",
            "a word",
            '"aibX"',
            "WECOM_BOT_ID",
        ),
    ] = ""
    secret: Annotated[
        OneWordSecret | None,
        Key(
            "The secret of the long connection, which needs no public address.",
            "letters and digits",
            '"q7Rk2vB9xT4m"',
            "WECOM_BOT_SECRET",
        ),
    ] = None
    name: Annotated[
        str,
        Key(
            "The bot's name in WeCom, so that a mention of it can be told from the text.",
            "a name, blanks allowed",
            '"Code Bot"',
            "WECOM_BOT_NAME",
        ),
    ] = ""

    @property
    def on(self) -> bool:
        """Whether the callback is to be served."""
        return self.token is not None and self.aes_key is not None

    @property
    def connects(self) -> bool:
        """Whether the long connection is to be held."""
        return self.secret is not None and bool(self.bot_id)


class WeComAppSettings(Section):
    """A self-built application (自建应用) beside the bot, or alone; off without all of it."""

    corp_id: Annotated[
        str, Key("The corp's id.", "a word", '"ww5823bf96d3bd56c7"', "WECOM_CORP_ID")
    ] = ""
    agent_id: Annotated[
        Number,
        Field(ge=0),
        Key("The application's AgentId.", "a number", "1000002", "WECOM_AGENT_ID", default="none"),
    ] = 0
    secret: Annotated[
        OneWordSecret | None,
        Key("The application's Secret.", "letters and digits", '"q7Rk2vB9xT4m"', "WECOM_SECRET"),
    ] = None
    token: Annotated[
        OneWordSecret | None,
        Key("The Token of its callback.", "letters and digits", '"QDG6eK"', "WECOM_TOKEN"),
    ] = None
    aes_key: Annotated[
        AesKey | None,
        Key(
            "The EncodingAESKey of its callback.",
            "43 characters of base64",
            '"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"',
            "WECOM_AES_KEY",
        ),
    ] = None

    @property
    def on(self) -> bool:
        """Whether the application is to be served."""
        return all((self.corp_id, self.agent_id, self.secret, self.token, self.aes_key))


class WeComWebhookSettings(Section):
    """A group's webhook (消息推送): where notices to those who look after the service go; optional."""

    key: Annotated[
        OneWordSecret | None,
        Key(
            "The `key` at the end of the webhook's address.",
            "letters, digits and dashes",
            '"693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"',
            "WECOM_WEBHOOK_KEY",
        ),
    ] = None


class WeComSettings(Section):
    """WeCom (企业微信)."""

    api_url: Annotated[
        WebUrl,
        Key(
            "WeCom's API; private deployments have their own.",
            "an http(s) URL",
            f'"{WECOM_API}"',
            "WECOM_API_URL",
        ),
    ] = WECOM_API
    ws_url: Annotated[
        SocketUrl,
        Key(
            "Where the long connection goes; private deployments have their own.",
            "a ws(s) URL",
            f'"{WECOM_SOCKET}"',
            "WECOM_WS_URL",
        ),
    ] = WECOM_SOCKET
    allowed_hosts: Annotated[
        Hosts,
        Key(
            "Hosts that a message may send us to; those of `wecom.api_url` and `.ws_url` always are.",
            "host names; `*.` in front stands for any host beneath",
            '["qyapi.weixin.qq.com", "*.myqcloud.com"]',
            "WECOM_ALLOWED_HOSTS",
        ),
    ] = WECOM_HOSTS
    bot: WeComBotSettings = WeComBotSettings()
    app: WeComAppSettings = WeComAppSettings()
    webhook: WeComWebhookSettings = WeComWebhookSettings()

    @property
    def on(self) -> bool:
        """Whether any channel is to be served by which messages come in."""
        return self.bot.on or self.bot.connects or self.app.on

    def allows(self, host: str) -> bool:
        """Tell whether a message may send us to ``host``."""
        host = host.lower()
        return host == urlsplit(self.api_url).hostname or any(
            host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
            for allowed in self.allowed_hosts
        )
