"""Upgrades of OpenCode: each step by itself, and with a small server that is quickly started."""
