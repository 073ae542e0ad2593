"""The sandbox: a local stand-in for WeCom with a chat page; never imported by the real service."""
