"""An address to listen at, as people write it: ``127.0.0.1:8181``."""

import re
from dataclasses import dataclass

_BIND = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Bind:
    """A host and a port to listen at; port 0 means any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        import ipaddress  # here: start-up time, for only a server asks

        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Bind:
    """Return the address that ``text`` states; the host is not looked up.

    Raises:
        ValueError: the text says what is allowed.
    """
    found = _BIND.fullmatch(text)
    if not found or int(found["port"]) > _HIGHEST_PORT:
        raise ValueError("expected <address>:<port>, the port up to 65535, such as 127.0.0.1:8181 or [::1]:8181")
    return Bind(found["six"] or found["host"], int(found["port"]))
