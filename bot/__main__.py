"""The command line: ``python -m bot``."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.app import serve
from bot.backup import Places, back_up, restore
from bot.errors import BackupError, StartError, StoreError
from config.settings import Settings, SettingsError, find_config, is_configured, load_settings
from config.version import VERSION

FINE, FAILED, MISUSED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit code: 0 fine, 1 failed, 2 wrong usage or configuration."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return MISUSED
    except (StartError, BackupError, StoreError) as exc:
        sys.stderr.write(f"opencode-wecom: {exc}\n")
        return FAILED
    except KeyboardInterrupt:
        pass  # told to end before the service listened to that
    return FINE


def _run(options: argparse.Namespace) -> None:
    configured = options.config is not None or is_configured(os.environ)
    command = options.command or ("run" if configured else "sandbox")
    if command == "sandbox":
        # Loaded by name: the real service never carries the stand-in.
        importlib.import_module("bot.sandbox.run").run_sandbox(model=options.model)
    else:
        file = options.config or find_config(os.environ)
        settings = load_settings(file, os.environ)
        if command == "config":
            _say_checked(settings, file, configured=configured)
        elif command == "backup":
            back_up(Places.of(settings), options.file, now=datetime.now(UTC), say=_say)
        elif command == "restore":
            restore(Places.of(settings), options.file, now=datetime.now(UTC), say=_say)
        else:
            serve(settings, file, level="debug" if options.verbose else "info")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_checked(settings: Settings, file: Path | None, *, configured: bool) -> None:
    if not configured:
        sys.stdout.write("Nothing is configured: `make run` starts the sandbox.\n")
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
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the service")
    sandbox = commands.add_parser("sandbox", help="run a local stand-in for WeCom with the service")
    sandbox.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help="provider/model (else your OpenCode's, else the demo model)",
    )
    config = commands.add_parser("config", help="look at the configuration")
    config.add_argument("action", choices=["check"], help="check: name every mistake at once")
    copied = commands.add_parser("backup", help="write a backup, while the service runs or not")
    copied.add_argument(
        "file", type=Path, nargs="?", help="else backups/bot-<time>.tar.gz in the data folder"
    )
    restored = commands.add_parser("restore", help="put a backup back; the service must not run")
    restored.add_argument("file", type=Path, help="what `backup` wrote")
    return parser


if __name__ == "__main__":
    sys.exit(main())
