"""Every setting of the service, read once from the file and the environment, checked once."""

# ruff: noqa: ARG003 - pydantic-settings names the arguments of settings_customise_sources

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.keys import Entry, entries
from config.problems import Problem, SettingsError, explain, half_a_channel, many_projects, unknown
from config.sections import (
    AccessSettings,
    ApprovalSettings,
    ChatSettings,
    FileSettings,
    OpenCodeSettings,
    Project,
    RetentionSettings,
    ServerSettings,
    StoreSettings,
    TurnSettings,
    WorkspaceSettings,
)
from config.shapes import DATA_DIR, Secret, Word
from config.sources import (
    find_config,
    is_configured,
    overlay,
    read_environment,
    read_file,
    read_secrets,
    secrets_beside,
)
from config.wecom import WeComSettings

__all__ = [
    "Problem",
    "Secret",
    "Settings",
    "SettingsError",
    "catalogue",
    "find_config",
    "is_configured",
    "load_settings",
    "salvage_settings",
]


class Settings(BaseSettings):
    """All settings; ``load_settings`` builds them."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    wecom: WeComSettings = WeComSettings()
    opencode: OpenCodeSettings = OpenCodeSettings()
    workspaces: WorkspaceSettings = WorkspaceSettings()
    projects: dict[Word, Project] = {}
    access: AccessSettings = AccessSettings()
    chat: ChatSettings = ChatSettings()
    turn: TurnSettings = TurnSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    retention: RetentionSettings = RetentionSettings()
    files: FileSettings = FileSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what ``load_settings`` hands over: it knows which variable a mistake came from."""
        return (init_settings,)

    def warnings(self) -> list[str]:
        """Return what is allowed and hardly meant, one sentence each."""
        found = []
        access = self.access
        if self.wecom.on and not (access.admins or access.maintainers or access.members):
            found.append(
                "access is empty: nobody may use the bot; set access.admins (BOT_ADMINS) "
                "and access.members (BOT_MEMBERS)"
            )
        if "*" in access.admins:
            found.append("access.admins is *: everybody of the corp is an administrator")
        if self.server.public_url is None:
            found.append(
                "server.public_url (BOT_PUBLIC_URL) is not set: answers name files but cannot link them"
            )
        if not self.wecom.on:
            found.append(
                "no channel of WeCom is on, no message comes in: set wecom.bot.bot_id and .secret "
                "(long connection), or wecom.bot.token and .aes_key (callback)"
            )
        return found

    def secrets(self) -> tuple[str, ...]:
        """Return the value of every secret that is set, for the log to hide."""
        bot, app = self.wecom.bot, self.wecom.app
        held = (
            self.server.admin_token,
            *(bot.token, bot.aes_key, bot.secret),
            *(app.secret, app.token, app.aes_key),
            self.wecom.webhook.key,
            self.opencode.password,
        )
        return tuple(secret.get_secret_value() for secret in held if secret is not None)


def catalogue() -> tuple[Entry, ...]:
    """Return every setting with its variable, default and shape, in the order of the models."""
    return tuple(entries(Settings))


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Build the settings from a TOML file, if there is one, the secrets beside it, the environment.

    Raises ``SettingsError``, which holds every mistake of all of them.
    """
    known = catalogue()
    values, given, problems = _gathered(path, environ, known)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        problems += explain(exc, known, given)
        raise SettingsError(problems) from None  # the cause could show what a secret holds
    if problems:
        raise SettingsError(problems)
    return _resolved(settings)


def salvage_settings(
    path: Path | None, environ: Mapping[str, str]
) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings without what is wrong in them, and every mistake: for who looks at both."""
    try:
        return load_settings(path, environ), ()
    except SettingsError as exc:
        values, _, _ = _gathered(path, environ, catalogue())
        return _resolved(_salvaged(values)), exc.problems


def _gathered(
    path: Path | None, environ: Mapping[str, str], known: Sequence[Entry]
) -> tuple[dict[str, object], dict[str, str], list[Problem]]:
    """Return all values, what variables and the file of secrets give, and what is no value."""
    values, problems = read_file(path)
    for name in values.keys() - Settings.model_fields.keys():
        del values[name]
        problems.append(unknown(name, known))
    kept, more = read_secrets(secrets_beside(path), environ, known)
    given, also = read_environment(environ, known)
    given = kept | given
    overlay(values, given)
    problems += [*more, *also, *half_a_channel(values, known), *many_projects(values)]
    return values, given, problems


def _salvaged(values: dict[str, object]) -> Settings:
    """Take out what is wrong; where that leaves a gap, the table around it."""
    for depth in (None, 2):
        try:
            return Settings.model_validate(values)
        except ValidationError as exc:
            for detail in exc.errors(include_url=False, include_input=False):
                _take_out(values, detail["loc"][:depth])
    return Settings.model_validate(values)


def _take_out(values: dict[str, object], where: Sequence[int | str]) -> None:
    *tables, name = map(str, where)
    for step in tables:
        held = values.get(step)
        if not isinstance(held, dict):  # an item of a list: all of that goes
            name = step
            break
        values = held
    values.pop(name, None)


def _resolved(settings: Settings) -> Settings:
    """Fill in what depends on the data folder, and let WeCom's API be among the allowed hosts."""
    data_dir = settings.server.data_dir.absolute()
    root = settings.workspaces.root
    if root.parts[:1] == (DATA_DIR,):
        root = data_dir.joinpath(*root.parts[1:])
    url = settings.store.url.replace(DATA_DIR, str(data_dir))
    urls = (settings.wecom.api_url, settings.wecom.ws_url)
    own = [urlsplit(one).hostname or "" for one in urls]
    hosts = tuple(dict.fromkeys((*own, *settings.wecom.allowed_hosts)))
    return settings.model_copy(
        update={
            "server": settings.server.model_copy(update={"data_dir": data_dir}),
            "store": settings.store.model_copy(update={"url": url}),
            "wecom": settings.wecom.model_copy(update={"allowed_hosts": hosts}),
            "workspaces": settings.workspaces.model_copy(update={"root": root}),
        }
    )
