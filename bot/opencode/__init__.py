"""How we speak with an OpenCode server."""
