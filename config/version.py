"""The version of this service."""

VERSION = "0.1.0"
