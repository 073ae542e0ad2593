"""Turns: one lane a chat, one prompt in flight a session, one answer a turn."""

from bot.turns.lanes import Turns
from bot.turns.running import Running, Stopped

__all__ = ["Running", "Stopped", "Turns"]
