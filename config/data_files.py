"""The names of what the service keeps beside its database in the data folder."""

TOKEN_FILE = "admin.token"  # noqa: S105 - the name of a file
LINK_KEY_FILE = "link.key"
SERVICE_FILE = "service.id"
