"""Objects: what the options say reaches the client."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import configuration
from engine.clock import SystemClock
from engine.errors import EngineError
from engine.settings import Settings
from engine.storage.cloud import CloudBucket
from engine.storage.transfers import Transfers

COMMON = {
    "bucket": "b1",
    "node-id": "n1",
    "object-store-connection-limit": "7",
    "object-store-request-timeout": "11s",
    "object-store-max-retries": "3",
    "object-store-retry-timeout": "1m",
    "object-store-tls-allow-insecure": True,
}
S3 = {
    "object-store": "S3",
    "aws-access-key-id": "id",
    "aws-secret-access-key": "very-secret",
    "aws-session-token": "very-token",
    "aws-default-region": "eu-west-1",
    "aws-endpoint": "http://s3.example/",
    "aws-allow-http": True,
    "aws-skip-signature": True,
}
AZURE = {
    "object-store": "azure",
    "azure-storage-account": "acc",
    "azure-storage-access-key": "dmVyeS1zZWNyZXQ=",
    "azure-endpoint": "http://127.0.0.1:10000/acc",
    "azure-allow-http": True,
}
KEY_JSON = {
    "client_email": "a@b",
    "private_key": "k",
    "private_key_id": "i",
    "gcs_base_url": "http://127.0.0.1:1",
    "disable_oauth": True,
}


def resolve(options: dict[str, Any], environ: dict[str, str] | None = None) -> Settings:
    return Settings.resolve(options, environ or {})


def client(settings: Settings) -> Any:
    """Return the store of obstore that a server with these settings uses."""
    cloud = configuration.cloud(settings, SystemClock())
    assert cloud is not None
    return CloudBucket(cloud, Transfers(SystemClock()))._patient


def test_s3() -> None:
    store = client(resolve(COMMON | S3))
    assert (store.config, store.prefix) == (
        {
            "bucket": "b1",
            "access_key_id": "id",
            "secret_access_key": "very-secret",
            "session_token": "very-token",
            "region": "eu-west-1",
            "endpoint": "http://s3.example",
            "skip_signature": "true",
        },
        "n1",
    )
    assert store.client_options == {"allow_http": "true", "allow_invalid_certificates": "true", "timeout": "11s"}
    assert store.retry_config["max_retries"] == 3
    assert store.retry_config["retry_timeout"] == timedelta(minutes=1)


def test_azure() -> None:
    store = client(resolve(COMMON | AZURE))
    assert store.config == {
        "container_name": "b1",
        "account_name": "acc",
        "account_key": "dmVyeS1zZWNyZXQ=",
        "endpoint": "http://127.0.0.1:10000/acc",
    }
    assert store.client_options["allow_http"] == "true"


def test_google(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(KEY_JSON))
    store = client(resolve(COMMON | {"object-store": "google", "google-service-account": str(path)}))
    assert store.config == {"bucket": "b1", "service_account": str(path)}


def test_http2(tmp_path: Path) -> None:
    more = {"object-store-http2-only": True, "object-store-http2-max-frame-size": "32768"}
    options = client(resolve(COMMON | S3 | more)).client_options
    assert (options["http2_only"], options["http1_only"], options["http2_max_frame_size"]) == ("true", "false", "32768")


def test_the_variables_of_the_providers() -> None:
    environ = {
        "INFLUXDB3_OBJECT_STORE": "s3",
        "INFLUXDB3_BUCKET": "b2",
        "AWS_ACCESS_KEY_ID": "i",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_ENDPOINT": "https://e.example",
        "OBJECT_STORE_CONNECTION_LIMIT": "5",
        "INFLUXDB3_OBJECT_STORE_MAX_RETRIES": "0",
        "AWS_ALLOW_HTTP": "",
    }
    cloud = configuration.cloud(resolve({}, environ), SystemClock())
    assert cloud is not None
    assert (cloud.bucket, cloud.connections, cloud.max_retries, cloud.config["endpoint"]) == (
        "b2",
        5,
        0,
        "https://e.example",
    )


def test_secrets_are_not_shown() -> None:
    settings = resolve(COMMON | S3)
    cloud = configuration.cloud(settings, SystemClock())
    assert "very-" not in f"{settings} {settings!r} {cloud!r} {settings.aws_secret_access_key}"


def test_keys_from_a_file_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"aws_access_key_id": "a", "aws_secret_access_key": "b"}))
    cloud = configuration.cloud(resolve(COMMON | S3 | {"aws-credentials-file": str(path)}), SystemClock())
    assert cloud is not None
    assert cloud.credentials is not None
    assert "access_key_id" not in cloud.config
    first = cloud.credentials()
    assert (first["access_key_id"], first["secret_access_key"], "token" in first) == ("a", "b", False)
    assert timedelta(minutes=59) < first["expires_at"] - datetime.now(UTC) <= timedelta(hours=1)
    more = {"aws_access_key_id": "c", "aws_secret_access_key": "d", "aws_session_token": "t", "expiry": 1_900_000_000}
    path.write_text(json.dumps(more))
    assert cloud.credentials() == {
        "access_key_id": "c",
        "secret_access_key": "d",
        "token": "t",
        "expires_at": datetime.fromtimestamp(1_900_000_000, UTC),
    }


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"object-store": "s3"}, "--object-store s3 needs --bucket, the name of a bucket that exists"),
        ({"object-store": "azure", "bucket": "b"}, "--object-store azure needs --azure-storage-account"),
        ({"aws-credentials-file": "/nowhere"}, "the file of keys /nowhere cannot be read: No such file or directory"),
        ({"aws-credentials-file": __file__}, "has to be a JSON object with aws_access_key_id"),
        ({"object-store-tls-ca": "/nowhere"}, "--object-store-tls-ca /nowhere is not a PEM file that can be read"),
        ({"aws-endpoint": "s3.example"}, "invalid value 's3.example' for --aws-endpoint: expected a URL"),
        ({"object-store-connection-limit": "0"}, "invalid value '0' for --object-store-connection-limit"),
        ({"object-store-cache-size": "10kb"}, "invalid value '10kb' for --object-store-cache-size"),
    ],
)
def test_what_is_wrong_is_told(options: dict[str, str], text: str) -> None:
    base = {} if "object-store" in options else {"object-store": "s3", "bucket": "b"}
    with pytest.raises(EngineError) as caught:
        configuration.cloud(resolve(base | options), SystemClock())
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_node_without_object_store_needs_nothing(kind: str) -> None:
    assert configuration.cloud(resolve({"object-store": kind}), SystemClock()) is None
