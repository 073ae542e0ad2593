"""Where the service listens, and the address under which WeCom and browsers reach it."""

import contextlib
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from bot.doctor.callback import APP_PATH, PATH
from bot.setup.steps.channels import CALLBACK
from bot.setup.wizard import Wizard

WITH_CALLBACK = "Public URL, as WeCom and browsers reach it (https://…):"
FOR_LINKS = "Public URL, as browsers reach it, for links (https://…, optional):"


def ask_address(wizard: Wizard) -> None:
    """Ask for address, port and public URL; what WeCom cannot reach is said."""
    called = wizard.way == CALLBACK or wizard.app
    wizard.ask("server.host", "Address to listen on:", default="127.0.0.1", needed=True)
    wizard.ask("server.port", "Port to listen on:", default="8080", needed=True)
    while True:
        words = WITH_CALLBACK if called else FOR_LINKS
        url = wizard.ask("server.public_url", words, needed=called)
        if not url:
            return
        doubts = doubts_about(wizard.draft.text("server.public_url"), called=called)
        for doubt in doubts:
            wizard.terminal.say(f"Note: {doubt}.")
        if not doubts or wizard.terminal.confirm(f"Use {url} all the same?", default=False):
            break
    for what, address in callback_urls(wizard).items():
        wizard.terminal.say(f"The callback URL of {what} is {address}")


def callback_urls(wizard: Wizard) -> dict[str, str]:
    """Return what is entered in WeCom's pages, by whose it is."""
    url = wizard.draft.text("server.public_url")
    bot = {"the bot": f"{url}{PATH}"} if wizard.way == CALLBACK else {}
    return bot | ({"the application": f"{url}{APP_PATH}"} if wizard.app else {})


def doubts_about(url: str, *, called: bool = True) -> list[str]:
    """Say why WeCom, where it is to call us, or browsers may not be able to use an address."""
    parts = urlsplit(url)
    doubts = []
    if parts.scheme != "https":
        doubts.append("this is not https: answers and links would travel in clear")
    addresses = _addresses(parts.hostname or "")
    if not addresses:
        doubts.append(f"{parts.hostname} has no address: the name is not known here")
    elif called and not any(ip_address(address).is_global for address in addresses):
        shown = ", ".join(sorted(addresses))
        doubts.append(f"{shown} is a private address: WeCom's servers cannot reach it from outside")
    return doubts


def _addresses(host: str) -> set[str]:
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return {str(address[0]).partition("%")[0] for *_, address in found}
    return set()
