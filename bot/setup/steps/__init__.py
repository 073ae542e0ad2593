"""The steps of the wizard, in the order in which they are asked."""

from bot.setup.steps.address import ask_address
from bot.setup.steps.channels import ask_channels
from bot.setup.steps.connect import connect
from bot.setup.steps.model import ask_model
from bot.setup.steps.opencode import ask_opencode
from bot.setup.steps.people import ask_people
from bot.setup.steps.wecom import ask_wecom
from bot.setup.steps.workspaces import ask_workspaces
from bot.setup.wizard import Step

STEPS = (
    Step("opencode", "OpenCode", ask_opencode),
    Step("channels", "How messages come in", ask_channels),
    Step("address", "Where people and WeCom reach the service", ask_address),
    Step("wecom", "Credentials in WeCom", ask_wecom),
    Step("connect", "Connect WeCom", connect),
    Step("people", "Who may use the bot", ask_people),
    Step("workspaces", "Where agents work", ask_workspaces),
    Step("model", "Model and agent", ask_model),
)
