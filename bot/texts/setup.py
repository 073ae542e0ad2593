"""What the bot says while `python -m bot setup` answers in its place."""

from bot.texts import Text

HEARD = Text(
    zh="收到，你是 `{sender}`。设置还没有完成：这条消息不会交给 OpenCode，请稍后再发任务。",
    en="Got it, you are `{sender}`. The setup is not finished yet: this message is not given to "
    "OpenCode; please send tasks later.",
)
WELCOME = Text(
    zh="机器人正在设置中。请发一句“你好”。",
    en="This bot is being set up. Please say “hello”.",
)
