"""What the doctor's groups and checks are called, and what `/doctor` says around them."""

from bot.texts import Text

# Groups, in the order of a report.
SETTINGS = Text(zh="配置", en="Settings")
WECOM = Text(zh="企业微信", en="WeCom")
OPENCODE = Text(zh="OpenCode", en="OpenCode")
IN_FORCE = Text(zh="生效的配置", en="What is in force")
MAPPING = Text(zh="会话对应", en="Mapping")
STORE = Text(zh="存储", en="Store")
VIEWER = Text(zh="链接", en="Viewer")
SECURITY = Text(zh="安全", en="Security")
RUNTIME = Text(zh="运行环境", en="Runtime")

SETTINGS_VALID = Text(zh="配置的值", en="Values")
SETTINGS_SOURCE = Text(zh="配置来源", en="Sources")

WECOM_SETTINGS = Text(zh="通道", en="Channels")
WECOM_CONNECTION = Text(zh="长连接", en="Long connection")
WECOM_CALLBACK = Text(zh="回调地址", en="Callback URL")
WECOM_REFUSED = Text(zh="被拒绝的回调", en="Refused callbacks")
WECOM_APP = Text(zh="自建应用", en="Application")
WECOM_APP_CALLBACK = Text(zh="应用的回调地址", en="Callback URL of the application")
WECOM_CONTACT = Text(zh="最近的消息", en="Last messages")
WECOM_PEOPLE = Text(zh="谁可以使用", en="Who may use it")
WECOM_API = Text(zh="企业微信接口", en="WeCom's API")
WECOM_WAY_OUT = Text(zh="答复的出口", en="Ways out for answers")
WECOM_WEBHOOK = Text(zh="通知群", en="Notices in a group")

MAPPING_SESSIONS = Text(zh="聊天的会话", en="Sessions of the chats")
MAPPING_ORPHANS = Text(zh="没有主人的会话", en="Sessions of no chat")
MAPPING_FOLDERS = Text(zh="项目和工作区", en="Project and workspaces")
MAPPING_WORKTREE = Text(zh="工作区的范围", en="Reach of the workspaces")

STORE_FILE = Text(zh="数据库文件", en="Database file")
STORE_INTEGRITY = Text(zh="数据库完整性", en="Database integrity")
STORE_SCHEMA = Text(zh="数据库版本", en="Database schema")
STORE_LOG = Text(zh="预写日志", en="Write-ahead log")
STORE_TURNS = Text(zh="未完成的任务", en="Unfinished turns")
STORE_OUTBOX = Text(zh="待送达的答复", en="Answers on their way")
STORE_DOUBTS = Text(zh="不确定是否送达", en="Answers in doubt")
STORE_BACKUP = Text(zh="备份", en="Backup")
STORE_DISK = Text(zh="磁盘空间", en="Free disk")

VIEWER_URL = Text(zh="公网地址", en="Public URL")
VIEWER_REACHED = Text(zh="公网地址的连通", en="Way in by the public URL")
VIEWER_CERTIFICATE = Text(zh="证书", en="Certificate")
VIEWER_CLOCK = Text(zh="时钟", en="Clock")
VIEWER_LINK = Text(zh="签名链接", en="Signed link")

SECURITY_ROLES = Text(zh="角色", en="Roles")
SECURITY_MODES = Text(zh="文件权限", en="File modes")
SECURITY_ARGUMENTS = Text(zh="进程参数", en="Process arguments")
SECURITY_PLACES = Text(zh="密钥的位置", en="Where secrets are")
SECURITY_ISOLATION = Text(zh="隔离级别", en="Isolation")

RUNTIME_SERVICE = Text(zh="服务", en="Service")
RUNTIME_PORT = Text(zh="端口", en="Port")
RUNTIME_UNIT = Text(zh="systemd 单元", en="systemd unit")
RUNTIME_RESTARTS = Text(zh="重启次数", en="Restarts")
RUNTIME_LOOP = Text(zh="事件循环", en="Event loop")
RUNTIME_WATCHDOGS = Text(zh="看门狗", en="Watchdogs")
RUNTIME_HOLD = Text(zh="升级的暂停", en="Hold of an upgrade")
RUNTIME_FILES = Text(zh="打开文件数上限", en="Limit of open files")
RUNTIME_PROGRAMS = Text(zh="外部程序", en="Programs")
RUNTIME_PYTHON = Text(zh="Python", en="Python")
RUNTIME_ZONE = Text(zh="时区", en="Time zone")

CHAT_HEAD = Text(
    zh="🩺 检查：❌ {errors} · ⚠️ {warnings} · ✅ {fine} 项正常",
    en="🩺 Doctor: ❌ {errors} · ⚠️ {warnings} · ✅ {fine} fine",
)
CHAT_FINDING = Text(
    zh="{mark} {group} · {title}：{evidence}\n　→ {mend}",
    en="{mark} {group} · {title}: {evidence}\n  → {mend}",
)
CHAT_MORE = Text(
    zh="还有 {count} 项没有列出：在服务器上运行 {program} doctor",
    en="{count} more; run {program} doctor on the machine",
)
CHAT_FINE = Text(zh="一切正常。", en="All is well.")
