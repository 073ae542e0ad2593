"""Upgrades and rollbacks of real releases, under a real service with chats at work."""
