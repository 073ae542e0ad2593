"""What turns each channel of WeCom on, as variables of the environment."""

AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CALLBACK = {"WECOM_BOT_TOKEN": "QDG6eK", "WECOM_BOT_AES_KEY": AES_KEY}
CONNECTION = {"WECOM_BOT_ID": "aibX", "WECOM_BOT_SECRET": "q7Rk2vB9xT4m"}
APP = {
    "WECOM_CORP_ID": "ww1",
    "WECOM_AGENT_ID": "1000002",
    "WECOM_SECRET": "q7Rk2vB9xT4m",
    "WECOM_TOKEN": "QDG6eK",
    "WECOM_AES_KEY": AES_KEY,
}
