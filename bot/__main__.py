"""The command line: ``python -m bot``."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.app import serve
from bot.backup import Places, as_owner, back_up, restore
from bot.errors import BackupError, StartError, StoreError
from bot.messages import CALLBACK
from config.settings import (
    Settings,
    SettingsError,
    find_config,
    is_configured,
    load_settings,
    salvage_settings,
)
from config.version import VERSION
from handlers import wecom

FINE, FAILED, MISUSED = 0, 1, 2
CUT_OFF = {"backup", "restore", "opencode"}  # commands that have done nothing whole then


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit code: 0 fine, 1 failed, 2 wrong usage or configuration."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return MISUSED
    except (StartError, BackupError, StoreError) as exc:
        sys.stderr.write(f"opencode-wecom: {exc}\n")
        return FAILED
    except KeyboardInterrupt:  # for a service: before it listened to that
        return FAILED if options.command in CUT_OFF else FINE


def _run(options: argparse.Namespace) -> int:
    configured = options.config is not None or is_configured(os.environ)
    command = options.command or ("run" if configured else "sandbox")
    if command == "sandbox":
        # Loaded by name: the real service never carries the stand-in.
        importlib.import_module("bot.sandbox.run").run_sandbox(
            model=options.model, channel=options.channel
        )
    elif command == "setup":
        return int(importlib.import_module("bot.setup.command").run(options, os.environ))
    elif command == "doctor":
        return _examine(options)
    else:
        file = options.config or find_config(os.environ)
        settings = load_settings(file, os.environ)
        if command == "config":
            _say_checked(settings, file, configured=configured)
        elif command == "opencode":
            return int(importlib.import_module("bot.upgrade.command").run(options, settings, file))
        elif command == "backup":
            with as_owner(settings.server.data_dir, _say):
                back_up(Places.of(settings), options.file, now=datetime.now(UTC), say=_say)
        elif command == "restore":
            with as_owner(settings.server.data_dir, _say):
                restore(Places.of(settings), options.file, now=datetime.now(UTC), say=_say)
        else:
            serve(settings, file, level="debug" if options.verbose else "info")
    return FINE


def _examine(options: argparse.Namespace) -> int:
    """Run the doctor: 0 fine, 1 warnings only, 2 errors; wrong settings are its first finding."""
    file = options.config or find_config(os.environ)
    settings, problems = salvage_settings(file, os.environ)
    doctor = importlib.import_module("bot.doctor.command")
    shape = {"as_json": options.json, "deep": options.deep, "bundle": options.bundle}
    whose = doctor.Asked(options.chat, options.project)
    return int(doctor.run(settings, file, os.environ, problems=problems, asked=whose, **shape))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_checked(settings: Settings, file: Path | None, *, configured: bool) -> None:
    if not configured:
        sys.stdout.write(
            "Nothing is configured: `make run` starts the sandbox; "
            "`.venv/bin/python -m bot setup` sets up the service.\n"
        )
        return
    sys.stdout.write(f"The configuration is fine ({file or 'environment alone'}).\n")
    for warning in settings.warnings():
        sys.stdout.write(f"Note: {warning}.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opencode-wecom",
        description="Drive OpenCode coding sessions from WeCom. Without a command: the service "
        "when it is configured, else the sandbox.",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument(
        "--config", type=Path, help="settings file (else BOT_CONFIG, config/bot.toml)"
    )
    parser.add_argument("--verbose", action="store_true", help="log debug events, too")
    parser.add_argument("--model", help="with the sandbox: provider/model")
    parser.add_argument(
        "--channel",
        choices=tuple(wecom.CHANNELS),
        default=CALLBACK,
        help="with the sandbox: WeCom's way in",
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the service")
    sandbox = commands.add_parser("sandbox", help="run a local stand-in for WeCom with the service")
    sandbox.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help="provider/model (else your OpenCode's, else the demo model)",
    )
    sandbox.add_argument(
        "--channel",
        choices=tuple(wecom.CHANNELS),
        default=argparse.SUPPRESS,
        help="by which of its ways WeCom reaches the bot (else the callback)",
    )
    config = commands.add_parser("config", help="look at the configuration")
    config.add_argument("action", choices=["check"], help="check: name every mistake at once")
    doctor = commands.add_parser(
        "doctor", help="look at everything; name what is wrong, and the mend"
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object, for programs")
    doctor.add_argument("--deep", action="store_true", help="look at all of it, which takes longer")
    doctor.add_argument(
        "--bundle", type=Path, metavar="FILE", help="also write an archive for a bug report"
    )
    doctor.add_argument(
        "--chat",
        default="",
        metavar="ID",
        help="say what is in force for this chat (its key or id)",
    )
    doctor.add_argument(
        "--project", default="", metavar="NAME", help="say what is in force for this project"
    )
    copied = commands.add_parser("backup", help="write a backup, while the service runs or not")
    copied.add_argument(
        "file", type=Path, nargs="?", help="else backups/bot-<time>.tar.gz in the data folder"
    )
    restored = commands.add_parser("restore", help="put a backup back; the service must not run")
    restored.add_argument("file", type=Path, help="what `backup` wrote")
    _describe_opencode(commands.add_parser("opencode", help="OpenCode's release, and its change"))
    _add_setup(commands.add_parser("setup", help="ask for what is needed, check it, write it"))
    return parser


def _add_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--non-interactive",
        action="store_true",
        help="ask nothing: take every answer from the environment (the settings' variables) and "
        "from --set, and name all that is missing",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; may be repeated"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be written")
    parser.add_argument("--units", action="store_true", help="run by systemd: install the units")
    parser.add_argument(
        "--own-opencode", action="store_true", help="OpenCode in a unit of its own, with a password"
    )
    parser.add_argument(
        "--install-opencode",
        action="store_true",
        help="install the pinned one where none is proved",
    )
    parser.add_argument(
        "--wait", type=float, metavar="SECONDS", help="how long to wait for WeCom's request"
    )
    parser.add_argument("--no-doctor", action="store_true", help="do not look at the result")


def _describe_opencode(parser: argparse.ArgumentParser) -> None:
    """Describe ``opencode status | upgrade | rollback``."""
    actions = parser.add_subparsers(dest="action", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--unit",
        default="opencode.service",
        help="the server's systemd unit, with opencode.url set",
    )
    moving = argparse.ArgumentParser(add_help=False, parents=[common])
    moving.add_argument("--yes", action="store_true", help="agree to every question")
    moving.add_argument("--non-interactive", action="store_true", help="ask nothing; stop instead")
    moving.add_argument(
        "--drain-for", type=float, default=300.0, metavar="S", help="seconds for running turns"
    )
    actions.add_parser("status", parents=[common], help="what runs, is chosen and is installed")
    upgrade = actions.add_parser("upgrade", parents=[moving], help="switch to another release")
    upgrade.add_argument("--to", metavar="VERSION", help="else the newest that is proved")
    upgrade.add_argument("--force", action="store_true", help="take one that is not proved")
    actions.add_parser("rollback", parents=[moving], help="back to the release and data of before")


if __name__ == "__main__":
    sys.exit(main())
