"""Several clients, each a process of its own, that write to one server at the same time."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import ingest_client
from tests.bench.ingest_client import Job
from tests.bench.ingest_servers import Target


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients did together.

    Attributes:
        wall_s: from the first one's beginning to the last one's end.
        took_s: of each write, from sent to acknowledged.
        server_cpu_s: of the server with its children meanwhile; ``None`` = it is not on this machine.
        clients_cpu_s: of the clients.
    """

    wall_s: float
    took_s: list[float]
    server_cpu_s: float | None
    clients_cpu_s: float


def put_load(target: Target, files: Sequence[Path], *, connections: int = 1, no_sync: bool = False) -> Load:
    """Have a client per file of bodies write to ``target``; return when all are acknowledged."""
    url = urlsplit(target.write_url)
    path = f"{url.path}?{url.query}" + ("&no_sync=true" if no_sync else "")
    with ExitStack() as stack:
        clients = []
        for file in files:
            job = Job(url.hostname or "", url.port or 80, path, target.headers, str(file), connections)
            clients.append(stack.enter_context(_client(job)))
        for client in clients:
            assert client.stdout is not None
            if client.stdout.readline() != "ready\n":
                raise SystemExit(f"a client could not begin to write to {target.name}")
        before = target.cpu_s()
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        replies = [client.communicate()[0] for client in clients]
        after = target.cpu_s()
    if any(client.returncode for client in clients):
        raise SystemExit(f"a client could not write to {target.name}")
    done = [json.loads(reply) for reply in replies]
    return Load(
        max(d["ended"] for d in done) - min(d["began"] for d in done),
        [took for d in done for took in d["took"]],
        None if before is None or after is None else after - before,
        sum(d["cpu_s"] for d in done),
    )


def _client(job: Job) -> "subprocess.Popen[str]":
    command = [sys.executable, "-S", ingest_client.__file__, json.dumps(asdict(job))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
