"""The command line: ``python -m bot``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.app import serve
from bot.errors import StartError
from bot.sandbox.run import run_sandbox
from config.settings import SettingsError, find_config, is_configured, load_settings
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
    except StartError as exc:
        sys.stderr.write(f"opencode-wecom: {exc}\n")
        return FAILED
    except KeyboardInterrupt:
        pass  # told to end before the service listened to that
    return FINE


def _run(options: argparse.Namespace) -> None:
    configured = options.config is not None or is_configured(os.environ)
    command = options.command or ("run" if configured else "sandbox")
    if command == "sandbox":
        run_sandbox(model=options.model)
    else:
        file = options.config or find_config(os.environ)
        settings = load_settings(file, os.environ)
        if command == "config":
            sys.stdout.write(f"The configuration is fine ({file or 'environment alone'}).\n")
        else:
            serve(settings, file)


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
    parser.add_argument("--model", help="provider/model for the sandbox")
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
