"""Which files of a workspace are never mirrored and never served, whoever asks for them."""

from fnmatch import fnmatchcase

FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".gcloud"}
)
NAMES = (
    ".env*",
    "*.env",
    "*.env.bak*",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".dockercfg",
    ".git-credentials",
    "credentials",
    "credentials.*",
    "secrets.*",
    "service-account*.json",
    "service_account*.json",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.gpg",
)


def withheld(path: str) -> bool:
    """Tell whether ``path`` (relative, with slashes) looks like a secret.

    Letters count in either case, since some file systems do not tell them apart.
    """
    *folders, name = path.lower().split("/")
    if name in FOLDERS or not FOLDERS.isdisjoint(folders):
        return True
    return any(fnmatchcase(part, ".env*") for part in folders) or any(
        fnmatchcase(name, pattern) for pattern in NAMES
    )
