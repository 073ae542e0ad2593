"""What is in force and why: every source of OpenCode's configuration, our settings, and what comes of them."""
