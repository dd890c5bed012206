"""The settings of object stores, rows of the table of settings."""

import re
from typing import Any

from engine.model.sizes import MEGABYTE
from engine.setting import (
    Reader,
    Setting,
    flag,
    folder_or_file,
    positive_count,
    positive_seconds,
    secret,
    size_of_at_least,
)

_MACHINE = "what the machine's own identity gives"


def _address(text: str) -> str:
    if not re.match(r"https?://.", text):
        raise ValueError("expected a URL that begins with http:// or https://")
    return text.rstrip("/")


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("expected a whole number")
    return int(text)


def _common(name: str, read: Reader, default: str | None, help_text: str, **more: Any) -> Setting:
    """Return a row whose variable had no prefix in older versions of the product."""
    old = f"OBJECT_STORE_{name.upper().replace('-', '_')}"
    return Setting(f"object-store-{name}", read, default, help_text, variables=(f"INFLUXDB3_{old}", old), **more)


def _cloud(name: str, read: Reader, default: str | None, help_text: str, **more: Any) -> Setting:
    """Return a row whose variable is the one that the provider's own programs read."""
    return Setting(name, read, default, help_text, variables=(name.upper().replace("-", "_"),), **more)


STORE_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "bucket", str, None, "Bucket (Azure: container) of the object store, which exists.", unset="needed for one"
    ),
    _cloud("aws-access-key-id", secret, None, "Key id for S3.", unset=_MACHINE),
    _cloud("aws-secret-access-key", secret, None, "Secret key for S3.", unset=_MACHINE),
    _cloud("aws-session-token", secret, None, "Session token that belongs to the keys for S3.", unset="no token"),
    _cloud(
        "aws-credentials-file",
        folder_or_file,
        None,
        "JSON file with aws_access_key_id, aws_secret_access_key, and if need be aws_session_token and expiry (seconds "
        "since 1970), which is read again then, or every hour; it goes before the keys.",
        unset="no such file",
    ),
    _cloud("aws-default-region", str, "us-east-1", "Region of the bucket in S3."),
    _cloud("aws-endpoint", _address, None, "URL of an S3 that is not Amazon's.", unset="Amazon's"),
    _cloud("aws-allow-http", flag, "false", "Speak with S3 without TLS where its URL says so.", is_flag=True),
    _cloud("aws-skip-signature", flag, "false", "Send unsigned requests to S3.", is_flag=True),
    _cloud("google-service-account", folder_or_file, None, "JSON file of a service account of Google.", unset=_MACHINE),
    _cloud("azure-storage-account", str, None, "Account of Azure storage.", unset="needed for azure"),
    _cloud("azure-storage-access-key", secret, None, "Access key of that account.", unset=_MACHINE),
    _cloud("azure-endpoint", _address, None, "URL of an Azure storage that is not Microsoft's.", unset="Microsoft's"),
    _cloud("azure-allow-http", flag, "false", "Speak with Azure without TLS where its URL says so.", is_flag=True),
    _common("connection-limit", positive_count, "64", "Most requests to the object store at one time."),
    _common("http2-only", flag, "false", "Speak HTTP/2 only with the object store.", is_flag=True),
    _common(
        "http2-max-frame-size",
        size_of_at_least(16_384),
        None,
        "Largest frame of HTTP/2 with the object store.",
        unit="bytes",
        unset="the client's own",
    ),
    _common("request-timeout", positive_seconds, "30s", "Longest time for one request to the object store.", unit="s"),
    _common("max-retries", _count, None, "How often a request to the object store is tried again.", unset="10"),
    _common(
        "retry-timeout",
        positive_seconds,
        None,
        "How long a request to the object store is tried again.",
        unit="s",
        unset="3 minutes",
    ),
    _common("tls-allow-insecure", flag, "false", "Take any certificate of the object store. Dangerous.", is_flag=True),
    _common("tls-ca", folder_or_file, None, "PEM file of further authorities for the object store.", unset="none"),
    Setting(
        "object-store-cache-size",
        size_of_at_least(MEGABYTE),
        "20gb",
        "Size of the files of an object store that are kept in the data directory; what was not used for longest goes.",
        unit="bytes",
    ),
    Setting(
        "object-store-lease-duration",
        positive_seconds,
        "30s",
        "So long after its last sign of life another server does not take over what a server has in an object store.",
        unit="s",
    ),
    Setting(
        "object-store-take-over",
        flag,
        "false",
        "Take over what another server has in the object store, at once, and go on without what only its log holds.",
        is_flag=True,
    ),
)
