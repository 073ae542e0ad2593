"""Backups: one file that holds what the service knows, made while it runs, and put back."""

from bot.backup.making import back_up
from bot.backup.places import Places
from bot.backup.restoring import restore

__all__ = ["Places", "back_up", "restore"]
