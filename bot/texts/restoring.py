"""What people read of a turn that a restored backup knows as unfinished."""

from bot.texts import Text

RESTORED = Text(
    zh="🗄 服务从备份恢复：#{n} 在备份时还没有做完，之后有没有做完已经查不到了，所以没有自动再做 · /retry {n}",
    en="🗄 The service was restored from a backup: #{n} was not over when it was made, and whether it ended since cannot be known; it was not run again · /retry {n}",
)
