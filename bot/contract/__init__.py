"""The contract with OpenCode: conversations that a release must hold, run through our own engine."""

from bot.contract.prove import Outcome, prove

__all__ = ["Outcome", "prove"]
