"""Options of the product that tune its insides: they are taken, for scripts that give them, and have no effect here."""

import re

from engine.setting import PREFIX, Setting, choice, flag, memory_size, positive_count, seconds


def _anything(text: str) -> str:
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        raise ValueError("expected a whole number")
    return int(text)


def _share(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]+", text) or not 0 < float(text) < 1:
        raise ValueError("expected a number between 0 and 1, such as 0.1")
    return float(text)


def _no_cluster(text: str) -> str:
    raise ValueError(
        "You've incorrectly specified a cluster-id for InfluxDB 3 Core OSS. It is a parameter of InfluxDB 3 Enterprise, "
        "and this server is a single node. Remove --cluster-id to run InfluxDB 3 Core OSS."
    )


def _row(name: str, read: object = _anything, *other_names: str, variables: tuple[str, ...] = ()) -> Setting:
    is_flag = read is flag
    return Setting(name, read, None, "", other_names=other_names, variables=variables, is_flag=is_flag)  # type: ignore[arg-type]


def _runtime(prefix: str, *more: Setting) -> tuple[Setting, ...]:
    """Return the rows of one of the product's two thread pools."""
    return (
        choice(f"{prefix}-type", ("multi-thread", "multi-thread-alt"), None, ""),
        _row(f"{prefix}-disable-lifo-slot"),
        _row(f"{prefix}-event-interval", _count),
        _row(f"{prefix}-global-queue-interval", _count),
        _row(f"{prefix}-max-blocking-threads", _count),
        _row(f"{prefix}-max-io-events-per-tick", _count),
        _row(f"{prefix}-thread-keep-alive", seconds),
        _row(f"{prefix}-thread-priority", _count),
        *more,
    )


def _traces(name: str, read: object = _anything, variable: str = "") -> Setting:
    old = variable or name.upper().replace("-", "_")
    return _row(name, read, variables=(PREFIX + old, old))


ROOT_SETTINGS = _runtime("io-runtime", _row("num-io-threads", positive_count, "num-threads"))
"""Those that may also stand before the command."""

INERT_SETTINGS: tuple[Setting, ...] = (
    *ROOT_SETTINGS,
    _row("cluster-id", _no_cluster),
    _row("object-store-cache-endpoint"),
    _row("wal-snapshot-size", positive_count, "wal-files-per-snapshot"),
    _row("wal-replay-fail-on-error", flag),
    _row("wal-replay-concurrency-limit", positive_count),
    _row(
        "snapshotted-wal-files-to-keep",
        _count,
        variables=("INFLUXDB3_SNAPSHOTTED_WAL_FILES_TO_KEEP", "INFLUXDB3_NUM_WAL_FILES_TO_KEEP"),
    ),
    _row("snapshot-concurrency-limit", positive_count),
    _row("checkpoint-interval", seconds),
    _row("gen1-lookback-duration", seconds),
    _row("parquet-mem-cache-size", memory_size, "file-cache-size"),
    _row("parquet-mem-cache-prune-percentage", _share),
    _row("parquet-mem-cache-prune-interval", seconds),
    _row("parquet-mem-cache-query-path-duration", seconds, "file-cache-recency"),
    _row("disable-parquet-mem-cache", flag, "disable-file-cache"),
    _row("table-index-cache-max-entries", _count),
    _row("table-index-cache-concurrency-limit", positive_count),
    *(
        _row(f"tokio-console-{name}", read, variables=(f"TOKIO_CONSOLE_{name.upper().replace('-', '_')}",))
        for name, read in (
            ("enabled", flag),
            ("event-buffer-capacity", positive_count),
            ("client-buffer-capacity", positive_count),
        )
    ),
    _traces("traces-exporter"),
    _traces("traces-exporter-jaeger-agent-host"),
    _traces("traces-exporter-jaeger-agent-port", positive_count),
    _traces("traces-exporter-jaeger-service-name"),
    _traces("traces-exporter-jaeger-trace-context-header-name"),
    _traces("traces-jaeger-debug-name", variable="TRACES_EXPORTER_JAEGER_DEBUG_NAME"),
    _traces("traces-jaeger-tags", variable="TRACES_EXPORTER_JAEGER_TAGS"),
    _traces("traces-jaeger-max-msgs-per-second", positive_count),
    *_runtime("datafusion-runtime"),
    _row("datafusion-max-parquet-fanout", positive_count),
    _row("datafusion-use-cached-parquet-loader", flag),
    _row("telemetry-endpoint"),
    _row("test-mode", flag),
)

FULFILLED_SETTINGS: tuple[Setting, ...] = (
    _row(
        "disable-telemetry-upload",
        flag,
        variables=("INFLUXDB3_DISABLE_TELEMETRY_UPLOAD", "INFLUXDB3_TELEMETRY_DISABLE_UPLOAD"),
    ),
    _row("serve-invocation-method"),
)
"""Those that ask for what holds anyway: nothing is ever sent to anybody, and nobody counts how the server was started."""
