"""What people read when there is no folder to work in."""

from bot.texts import Text

PROJECT_MISSING = Text(
    "项目目录不存在，没有运行；请管理员检查 projects 设置。E-WORKSPACE-PROJECT",
    "The project's folder is not there, so nothing ran; an admin must check the projects "
    "setting. E-WORKSPACE-PROJECT",
)
FOLDER_FAILED = Text(
    "无法准备工作目录，没有运行；请管理员检查磁盘与权限。E-WORKSPACE-FOLDER",
    "The workspace could not be made, so nothing ran; an admin must check disk and permissions. "
    "E-WORKSPACE-FOLDER",
)
TOO_WIDE = Text(
    "工作目录所在的仓库包含本服务的数据或配置，为安全起见没有运行；请管理员把 workspaces.root 移到别处。E-WORKSPACE-WIDE",
    "The workspace's repository holds this service's data or configuration, so nothing ran, for "
    "safety; an admin must move workspaces.root elsewhere. E-WORKSPACE-WIDE",
)
