"""Where agents work: a folder for each chat, or one project for all of them."""

import re
from pathlib import Path

from bot.setup.draft import refusal
from bot.setup.wizard import Wizard

EACH, ONE = "each", "one"
WAYS = {
    EACH: "A folder of its own for each chat",
    ONE: "One project's folder for all chats",
}
NAME = re.compile(r"[\w-]+")


def ask_workspaces(wizard: Wizard) -> None:
    """Ask for the root of the chats' folders, or for the one project."""
    name, path = _project(wizard)
    way = wizard.terminal.choose("Where shall agents work?", WAYS, default=ONE if path else EACH)
    if way == EACH:
        wizard.draft.drop("projects")
        root = _root(wizard)
        wizard.ask("workspaces.root", "Folder that holds them:", default=root, needed=True)
        if wizard.draft.get("workspaces.root") == root and not wizard.own_unit:
            wizard.draft.drop("workspaces.root")  # the default: it follows the data folder
        return
    chosen = wizard.terminal.ask("The project's name:", default=name, check=_check_name)
    key = f"projects.{chosen}.path"
    answer = wizard.terminal.ask(
        "Its folder:", default=path, check=lambda text: refusal(key, text or "?")
    )
    if (chosen, answer) != (name, path):
        wizard.draft.drop("projects")
        wizard.put(key, answer)


def _check_name(name: str) -> str:
    return "" if NAME.fullmatch(name) else "That is no name. Wanted: letters, digits, - and _."


def _project(wizard: Wizard) -> tuple[str, str]:
    held = wizard.draft.get("projects")
    if isinstance(held, dict):
        for name, project in held.items():
            path = project.get("path", "") if isinstance(project, dict) else ""
            return str(name), str(path)
    return "main", ""


def _root(wizard: Wizard) -> str:
    if wizard.own_unit:
        return "/srv/opencode-work"
    data_dir = wizard.draft.text("server.data_dir")
    return str(Path(data_dir or "data").absolute() / "workspaces")
