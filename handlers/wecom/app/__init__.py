"""A self-built application (自建应用): direct chats alone, XML in, WeCom's API out."""
