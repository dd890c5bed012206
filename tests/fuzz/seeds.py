"""Inputs that fuzzing begins with."""

import random

from tests.fuzz.targets import PRECISIONS
from tests.support.line_protocol import random_body
from tests.support.web import zipped

SEEDS = 200


def seeds(target: str) -> list[bytes]:
    """Return inputs to begin with."""
    bodies = [random_body(random.Random(seed), 12).encode() for seed in range(SEEDS)]
    match target:
        case "body":
            return [bytes([number % (3 * len(PRECISIONS))]) + body for number, body in enumerate(bodies)]
        case "query":
            return [b"db=foo&rp=%22bar%22&precision=ns&accept_partial=false&no_sync=true&p=x&u=y", b"bucket=a/b&org=x"]
        case "gzip":
            return [zipped(body, body) for body in bodies[:20]]
        case _:
            return [bytes(3 * number) for number in range(1, 10)]
