"""Who may use the bot, and what they may do."""

from bot.setup.wizard import Wizard
from config.settings import Settings

EVERYBODY = "*"


def ask_people(wizard: Wizard) -> None:
    """Ask for administrators, maintainers and members by their ids in WeCom."""
    terminal = wizard.terminal
    if wizard.owner:
        _offer_owner(wizard, wizard.owner)
    else:
        terminal.say("An id that you do not know: write /whoami to the bot, it answers anybody.")
    while True:
        wizard.ask("access.admins", "Administrators, who may do everything (ids, by commas):")
        wizard.ask("access.maintainers", "Maintainers, who may stop and decide for others:")
        wizard.ask("access.members", "Members, who may talk to the bot (* is the whole corp):")
        doubts = doubts_about(wizard.draft.settings())
        for doubt in doubts:
            terminal.say(f"Note: {doubt}.")
        if not doubts or terminal.confirm("Leave it so?", default=False):
            return


def doubts_about(settings: Settings) -> list[str]:
    """Say what is hardly meant."""
    return [one for one in settings.warnings() if one.startswith("access")]


def _offer_owner(wizard: Wizard, owner: str) -> None:
    admins = [word.strip() for word in wizard.draft.text("access.admins").split(",")]
    if owner in admins:
        return
    if wizard.terminal.confirm(
        f"Make {owner}, who has just written, an administrator?", default=True
    ):
        known = [admin for admin in admins if admin]
        wizard.put("access.admins", ", ".join([*known, owner]))
