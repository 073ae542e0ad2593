"""``python -m bot opencode``: what runs, another release of it, and the way back."""
