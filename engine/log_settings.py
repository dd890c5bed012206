"""The settings of the server's own log: rows of the table of settings."""

import re

from engine.model.log_filter import parse_log_filter
from engine.setting import Setting, choice, flag


def _times(text: str) -> int:
    if not re.fullmatch(r"[0-9]", text):
        raise ValueError("expected a number from 0 to 9")
    return int(text)


LOG_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "log-filter",
        parse_log_filter,
        "info",
        "What the server's log shows: error, warn, info, debug, trace or off, and after commas what else holds for parts "
        "of the server, such as info,engine.wal=debug.",
        variables=("INFLUXDB3_LOG_FILTER", "LOG_FILTER"),
    ),
    Setting(
        "verbose",
        _times,
        "0",
        "Show more, whatever --log-filter says: -v info, -vv debug, -vvv everything.",
        short="-v",
        is_count=True,
    ),
    Setting(
        "disable-log-filter-noise-reduction",
        flag,
        "false",
        "Let libraries say as much as --log-filter allows; without it only their warnings are shown.",
        is_flag=True,
    ),
    choice(
        "log-format",
        ("full", "pretty", "json", "logfmt"),
        "full",
        "How a line of the log looks; `pretty` also says where in the code it comes from.",
        variables=("INFLUXDB3_LOG_FORMAT", "LOG_FORMAT"),
    ),
    choice(
        "log-destination",
        ("stdout", "stderr"),
        "stdout",
        "Where the log goes.",
        variables=("INFLUXDB3_LOG_DESTINATION", "LOG_DESTINATION"),
    ),
)
