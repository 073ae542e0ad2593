"""``python -m bot setup``: asks for what a configuration needs, checks it, writes it."""
