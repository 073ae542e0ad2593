"""The tables of the settings file: typed, frozen, and with the words that a person needs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from config.keys import Key, Section
from config.shapes import (
    DATA_DIR,
    AdminToken,
    AnyPath,
    Bytes,
    DatabaseUrl,
    Folder,
    FromJson,
    ModelName,
    Number,
    OneWordSecret,
    People,
    Seconds,
    WebUrl,
    Word,
)

PEOPLE = 'user ids; `["*"]` is every member of the corp'
DURATION = "a duration such as `90s`, `60m`, `7d`, or a number of seconds"


class ServerSettings(Section):
    """Where the service listens and what it keeps."""

    host: Annotated[
        Word, Key("Address to listen on.", "an IP address or host name", '"0.0.0.0"', "BOT_HOST")
    ] = "127.0.0.1"
    port: Annotated[
        Number,
        Field(ge=0, le=65_535),
        Key(
            "Port to listen on; 0 takes any free one.",
            "a number from 0 to 65535",
            "8080",
            "BOT_PORT",
        ),
    ] = 8080
    public_url: Annotated[
        WebUrl | None,
        Key(
            "Where browsers reach the service; without it answers name files but cannot link them.",
            "an http(s) URL without a query",
            '"https://bot.example.com"',
            "BOT_PUBLIC_URL",
        ),
    ] = None
    data_dir: Annotated[
        AnyPath,
        Key("Folder of everything that the service keeps.", "a path", '"./data"', "BOT_DATA_DIR"),
    ] = Path("data")
    admin_token: Annotated[
        AdminToken | None,
        Key(
            "What administrators show to `/admin/…` and `/metrics`.",
            "at least 8 characters without blanks",
            '"tZ4bQvN8xJ2m"',
            "BOT_ADMIN_TOKEN",
            default="generated into the data folder",
        ),
    ] = None


class StoreSettings(Section):
    """The database."""

    url: Annotated[
        DatabaseUrl,
        Key(
            "The database; `{data_dir}` stands for the data folder.",
            "`sqlite:///` and the path of a file",
            '"sqlite:///{data_dir}/bot.db"',
            "BOT_DATABASE_URL",
        ),
    ] = f"sqlite:///{DATA_DIR}/bot.db"


class PermissionRule(Section):
    """One rule of OpenCode's permissions, as its sessions take it."""

    permission: Word
    pattern: Word = "*"
    action: Literal["allow", "ask", "deny"]


class OpenCodeSettings(Section):
    """The OpenCode server."""

    url: Annotated[
        WebUrl | None,
        Key(
            "A running OpenCode server; without it the service starts and watches its own.",
            "an http(s) URL without a query",
            '"http://127.0.0.1:4096"',
            "OPENCODE_URL",
        ),
    ] = None
    username: Annotated[
        Word, Key("Name to log in with there.", "a word", '"opencode"', "OPENCODE_SERVER_USERNAME")
    ] = "opencode"
    password: Annotated[
        OneWordSecret | None,
        Key(
            "Password to log in with there.",
            "a word",
            '"tZ4bQvN8xJ2m"',
            "OPENCODE_SERVER_PASSWORD",
        ),
    ] = None
    agent: Annotated[
        Word | None,
        Key(
            "Agent of every chat that chose none; with it `opencode.model` does not apply.",
            "an agent's name",
            '"build"',
            "OPENCODE_AGENT",
        ),
    ] = None
    model: Annotated[
        ModelName | None,
        Key(
            "Model of every chat that chose none.",
            "`provider/model`",
            '"anthropic/claude-sonnet-4-5"',
            "OPENCODE_MODEL",
        ),
    ] = None
    follow: Annotated[
        Literal["events", "poll"],
        Key(
            "How a turn is followed: by the server's event stream, or by asking again and again.",
            "`events` or `poll`",
            '"events"',
            "OPENCODE_FOLLOW",
        ),
    ] = "events"
    permission: Annotated[
        tuple[PermissionRule, ...],
        FromJson,
        Key(
            "Rules given to every new session, in order.",
            "a list of tables with `permission`, `pattern` and `action` (allow, ask, deny); JSON in the environment",
            '[{ permission = "bash", pattern = "rm *", action = "deny" }]',
            default="the server's own",
        ),
    ] = ()


class WorkspaceSettings(Section):
    """Where chats work that have no project."""

    root: Annotated[
        AnyPath,
        Key(
            "Folder that holds one workspace a chat.",
            "a path",
            '"./data/workspaces"',
            "BOT_WORKSPACES",
            default="{data_dir}/workspaces",
        ),
    ] = Path(DATA_DIR, "workspaces")


class Project(Section):
    """A folder that all chats work in, in place of one each."""

    path: Annotated[
        Folder,
        Key(
            "The folder of the project called NAME; at most one project.",
            "the path of a folder that exists",
            '"/srv/shop"',
            env="",
        ),
    ]


class AccessSettings(Section):
    """Who may use the bot. Nobody may until someone is listed."""

    admins: Annotated[
        People, Key("People who may do everything.", PEOPLE, '["zhangsan"]', "BOT_ADMINS")
    ] = ()
    maintainers: Annotated[
        People,
        Key("People who may stop and decide for others.", PEOPLE, '["lisi"]', "BOT_MAINTAINERS"),
    ] = ()
    members: Annotated[
        People, Key("People who may talk to the bot.", PEOPLE, '["*"]', "BOT_MEMBERS")
    ] = ()


class ChatSettings(Section):
    """How the bot behaves in a chat."""

    busy: Annotated[
        Literal["queue", "reject"],
        Key("What becomes of a message while a turn runs.", "`queue` or `reject`", '"queue"'),
    ] = "queue"
    queue_limit: Annotated[
        Number, Field(ge=1), Key("How many messages of a chat may wait.", "a number from 1", "10")
    ] = 10
    group_session: Annotated[
        Literal["shared", "per_user"],
        Key("Whether the people of a group share a session.", "`shared` or `per_user`", '"shared"'),
    ] = "shared"
    language: Annotated[
        Literal["auto", "zh", "en"],
        Key(
            "Language of the bot; `auto` follows the chat's last message.",
            "`auto`, `zh` or `en`",
            '"auto"',
        ),
    ] = "auto"
    detail: Annotated[
        Literal["quiet", "normal", "full"] | None,
        Key(
            "How much of the work a reply shows.",
            "`quiet`, `normal` or `full`",
            '"normal"',
            default="quiet in groups, normal in direct messages",
        ),
    ] = None


class TurnSettings(Section):
    """The limits of a turn."""

    timeout: Annotated[Seconds, Key("A turn is ended after this time.", DURATION, '"60m"')] = 3600.0
    stall_after: Annotated[
        Seconds,
        Key("A turn that shows no sign of life for this long is looked into.", DURATION, '"90s"'),
    ] = 90.0
    max_steps: Annotated[
        Number,
        Field(ge=1),
        Key("A turn is ended after this many steps of the model.", "a number from 1", "200"),
    ] = 200
    grace: Annotated[
        Seconds,
        Key(
            "How long running turns may go on at a shutdown, which takes at most 5 s more.",
            DURATION,
            '"10s"',
        ),
    ] = 10.0


class ApprovalSettings(Section):
    """Requests of the agent that a person decides."""

    expire_after: Annotated[
        Seconds, Key("A permission that nobody gave is refused after this time.", DURATION, '"15m"')
    ] = 900.0


class RetentionSettings(Section):
    """How long conversations are kept."""

    days: Annotated[
        Number,
        Field(ge=1),
        Key("Days that messages, turns and their files are kept.", "a number from 1", "14"),
    ] = 14


class FileSettings(Section):
    """Files that turns made, and links to them."""

    max_bytes: Annotated[
        Bytes,
        Key(
            "Larger files are named but not kept.",
            "a size such as `50MB`, or a number of bytes",
            '"50MB"',
        ),
    ] = 50_000_000
    link_ttl: Annotated[Seconds, Key("How long a link works.", DURATION, '"7d"')] = 604_800.0
