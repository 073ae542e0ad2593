"""The OpenCode server that we work with: one of our own, or one that somebody else runs."""

from bot.opencode.probe import Address
from bot.opencode.server_base import STOP_S, Server, State
from bot.opencode.server_external import ExternalServer
from bot.opencode.server_managed import ManagedServer

__all__ = ["STOP_S", "Address", "ExternalServer", "ManagedServer", "Server", "State"]
