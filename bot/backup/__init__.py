"""Backups: one file that holds what the service knows, made while it runs, and put back."""

from bot.backup.making import back_up
from bot.backup.owner import as_owner
from bot.backup.places import Places
from bot.backup.restoring import restore

__all__ = ["Places", "as_owner", "back_up", "restore"]
