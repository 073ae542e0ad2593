"""The turn so far, folded from events: pure values and pure functions."""

from bot.summary.fold import after_gap, begin, catch_up, fold
from bot.summary.lineage import from_prompt, lineage
from bot.summary.state import FINAL_FINISHES, Child, Step, Summary
from bot.summary.tools import COMMANDS, Edit, Tool, was_refused
from bot.summary.words import Words, paragraphs

__all__ = [
    "COMMANDS",
    "FINAL_FINISHES",
    "Child",
    "Edit",
    "Step",
    "Summary",
    "Tool",
    "Words",
    "after_gap",
    "begin",
    "catch_up",
    "fold",
    "from_prompt",
    "lineage",
    "paragraphs",
    "was_refused",
]
