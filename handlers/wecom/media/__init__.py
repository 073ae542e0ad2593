"""Media of the AI bot: where they may be fetched from, and how they are decrypted."""

from handlers.wecom.media.downloads import Downloads

__all__ = ["Downloads"]
