"""The engine: chats become OpenCode sessions, messages become turns."""
