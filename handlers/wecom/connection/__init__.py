"""The AI bot over its long connection: one WebSocket that we hold, and that needs no public address."""
