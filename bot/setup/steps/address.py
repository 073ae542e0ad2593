"""Where the service listens, and the address under which WeCom and browsers reach it."""

import contextlib
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from bot.setup.wizard import Wizard
from handlers.wecom.callback import PATH


def ask_address(wizard: Wizard) -> None:
    """Ask for address, port and public URL; what WeCom cannot reach is said."""
    wizard.ask("server.host", "Address to listen on:", default="127.0.0.1", needed=True)
    wizard.ask("server.port", "Port to listen on:", default="8080", needed=True)
    while True:
        url = wizard.ask(
            "server.public_url",
            "Public URL, as WeCom and browsers reach it (https://…):",
            needed=True,
        )
        doubts = doubts_about(wizard.draft.text("server.public_url"))
        for doubt in doubts:
            wizard.terminal.say(f"Note: {doubt}.")
        if not doubts or wizard.terminal.confirm(f"Use {url} all the same?", default=False):
            break
    wizard.terminal.say(
        f"The callback URL is {callback_url(wizard.draft.text('server.public_url'))}"
    )


def callback_url(public_url: str) -> str:
    """Return what is entered in WeCom's page."""
    return f"{public_url}{PATH}"


def doubts_about(url: str) -> list[str]:
    """Say why WeCom may not be able to use an address."""
    parts = urlsplit(url)
    doubts = []
    if parts.scheme != "https":
        doubts.append("this is not https: answers and links would travel in clear")
    addresses = _addresses(parts.hostname or "")
    if not addresses:
        doubts.append(f"{parts.hostname} has no address: the name is not known here")
    elif not any(ip_address(address).is_global for address in addresses):
        shown = ", ".join(sorted(addresses))
        doubts.append(f"{shown} is a private address: WeCom's servers cannot reach it from outside")
    return doubts


def _addresses(host: str) -> set[str]:
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return {str(address[0]).partition("%")[0] for *_, address in found}
    return set()
