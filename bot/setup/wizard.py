"""What the steps of the wizard share: the terminal, the draft, and what was found out on the way."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.setup.draft import Draft, is_default, refusal, typed
from bot.setup.programs import Programs
from bot.setup.terminal import Terminal
from bot.setup.units import DEFAULTS
from config.settings import SettingsError

SYSTEM_FILE, SYSTEM_DATA = DEFAULTS.settings, DEFAULTS.data
CALLBACK_KEYS = ("wecom.bot.token", "wecom.bot.aes_key")
CONNECTION_KEYS = ("wecom.bot.bot_id", "wecom.bot.secret")
APP_KEYS = (
    *("wecom.app.corp_id", "wecom.app.agent_id", "wecom.app.secret"),
    *("wecom.app.token", "wecom.app.aes_key"),
)
ASKED = (
    *(*CALLBACK_KEYS, *CONNECTION_KEYS, *APP_KEYS, "wecom.bot.name"),
    *("server.host", "server.port", "server.public_url", "server.data_dir"),
    *("opencode.url", "opencode.username", "opencode.password", "opencode.model"),
    *("opencode.agent", "access.admins", "access.maintainers", "access.members"),
    "workspaces.root",
)


@dataclass(slots=True)
class Wizard:
    """One run of the wizard. ``units``: the answers are for systemd's units.

    ``own_unit``: OpenCode is to have a unit of its own. ``way``: the channel of the bot, ``app``:
    whether there is an application. ``generated``: the tables of which Token and key were made
    here, and have to be shown. ``verified``: WeCom has shown that it takes what was given.
    ``limit_s``: how long WeCom is waited for.
    """

    terminal: Terminal
    draft: Draft
    environ: Mapping[str, str]
    limit_s: float
    units: bool = False
    own_unit: bool = False
    way: str = ""
    app: bool = False
    generated: set[str] = field(default_factory=set)
    verified: bool = False
    owner: str = ""
    programs: Programs | None = None
    credentials_before: tuple[str, ...] = ()

    @property
    def credentials(self) -> tuple[str, ...]:
        """Everything by which WeCom and we know each other, as it is now."""
        keys = (*CALLBACK_KEYS, *CONNECTION_KEYS, *APP_KEYS)
        return tuple(self.draft.text(key) for key in keys)

    def seal(self, table: str) -> tuple[str, str]:
        """Return Token and key of the bot's callback, or of the application's."""
        return self.draft.text(f"{table}.token"), self.draft.text(f"{table}.aes_key")

    @property
    def host_environ(self) -> Mapping[str, str]:
        """The environment that OpenCode will see: under systemd another home than here."""
        home = self.draft.text("server.data_dir") if self.units else ""
        home = str(DEFAULTS.opencode_data) if home and self.own_unit else home
        if not home:
            return self.environ
        kept = {name: value for name, value in self.environ.items() if not name.startswith("XDG_")}
        return {**kept, "HOME": home}

    def ask(self, key: str, question: str, *, default: str = "", needed: bool = False) -> str:
        """Ask for a setting and put it into the draft; an empty answer takes it out."""

        def check(text: str) -> str:
            if not text:
                return "This cannot be left out." if needed else ""
            return refusal(key, text)

        present = self.draft.text(key) or default
        answer = self.terminal.ask(question, default=present, check=check)
        self.put(key, answer)
        return answer

    def ask_secret(self, key: str, question: str) -> None:
        """Ask for a secret; the one that is set is kept when nothing is typed."""

        def check(text: str) -> str:
            return refusal(key, text) if text else "This cannot be left out."

        present = self.draft.text(key)
        self.put(key, self.terminal.ask_secret(question, present=present, check=check))

    def put(self, key: str, answer: str) -> None:
        """Take what was typed and checked into the draft."""
        value = typed(key, answer) if answer else None
        if value is None:
            self.draft.drop(key)
        elif self.draft.get(key) is not None or not is_default(key, value):
            self.draft.put(key, value)

    def take_defaults(self) -> None:
        """Let what the environment says be the answers that are proposed."""
        given = {
            name: value
            for name, value in self.environ.items()
            if any(name in names for names in _variables(self.draft))
        }
        try:
            self.draft.take(given)
        except SettingsError as exc:
            self.terminal.say(f"The environment is not used where it is wrong:\n{exc}")


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the wizard, which can be done again."""

    name: str
    title: str
    do: Callable[[Wizard], None]


def is_root() -> bool:
    """Tell whether this process may write anywhere."""
    return os.geteuid() == 0


def _variables(draft: Draft) -> list[tuple[str, ...]]:
    return [draft.variables(key) for key in ASKED]
