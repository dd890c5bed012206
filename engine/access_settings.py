"""The settings of who may come in, by which token and with which encryption: rows of the table of settings."""

from engine.model.bind import parse_bind
from engine.setting import Setting, choice, flag, folder_or_file

OPENABLE = ("health", "ping", "metrics", "ready", "pprof", "node_stop")
"""What may be open to everybody; the last three are the product's, and name nothing here."""

NOTHING = "none"


def _opened(text: str) -> frozenset[str]:
    words = [word.strip() for word in text.split(",")]
    if words == [NOTHING]:
        return frozenset()
    unknown = [word for word in words if word not in OPENABLE]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not one of {', '.join(OPENABLE)}; {NOTHING} stands alone")
    return frozenset(words)


ACCESS_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "without-auth",
        flag,
        "false",
        "Ask nobody for a token. Whoever reaches the server may then run code on it.",
        variables=("INFLUXDB3_WITHOUT_AUTH", "INFLUXDB3_START_WITHOUT_AUTH"),
        is_flag=True,
    ),
    Setting(
        "disable-authz",
        _opened,
        "health,ping",
        "What is answered without a token, separated by commas: health, ping, metrics; ready, pprof and node_stop are "
        "taken for the product's sake. `none` opens nothing.",
    ),
    Setting(
        "admin-token-file",
        folder_or_file,
        None,
        "File with a token, made by `create token --admin --offline`; the server takes it over when it starts, unless it "
        "has one of this name.",
        unset="the first token is made by `create token --admin`",
    ),
    Setting(
        "admin-token-recovery-http-bind",
        parse_bind,
        None,
        "Second address, at which anybody may renew a lost operator token, once; it closes after that. "
        "Without a value: 127.0.0.1:8182.",
        unset="no such address",
        variables=(
            "INFLUXDB3_ADMIN_TOKEN_RECOVERY_HTTP_BIND_ADDR",
            "INFLUXDB3_ADMIN_TOKEN_RECOVERY_HTTP_BIND",
        ),
    ),
    Setting(
        "admin-token-recovery-tcp-listener-file-path",
        folder_or_file,
        None,
        "File to which that address is written once the server listens there.",
        unset="no such file",
    ),
    Setting(
        "tls-key",
        folder_or_file,
        None,
        "File of the private key, PEM, for TLS on the one port; needs --tls-cert.",
        unset="no TLS",
    ),
    Setting(
        "tls-cert",
        folder_or_file,
        None,
        "File of the certificate, PEM, with those that lead to its authority; needs --tls-key.",
        unset="no TLS",
    ),
    choice("tls-minimum-version", ("tls-1.2", "tls-1.3"), "tls-1.2", "Oldest version of TLS that is spoken."),
)
