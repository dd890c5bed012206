"""What the ingest section writes: bodies of line protocol that look like what agents send.

- *cpu*: one table, 10 tags of 1,000 hosts (host, region, …: the tags of a host never change), 10 floats with two digits
  before and five behind the point, each drawn anew; every host once, then ten seconds later every host again.
- *mixed*: five tables in turn – memory (4 integers), disk (3 integers and a float), network (4 integers), sensors (2 floats
  and a boolean), requests (an integer, a float, a boolean) – with 1 to 3 tags of 100 hosts; about 95 bytes a line.
- *wide*: one table, a tag of 200 hosts, 60 floats as in *cpu*.
- *strings*: one table, 2 tags, a message of 4 to 9 words with commas, blanks, ``=`` and in every third line escaped quotes, and a
  status as text; about 120 bytes a line.

Every line has a timestamp in nanoseconds; they never go back. The random numbers have a fixed seed: all rounds and all
servers are given the same bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

BATCH_LINES = 5_000
START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000_000

Line = Callable[[Random, int], str]
"""Returns line ``n`` of a shape."""

HOSTS = 1_000
WIDE_HOSTS = 200
MIXED_HOSTS = 100
WIDE_FIELDS = 60

_REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1", "sa-east-1"]
_USAGES = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]
_WORDS = [
    "request",
    "user=admin",
    "took 12 ms,",
    "retry",
    "status=ok,",
    "connection closed",
    "queue=mail",
    "über",
    "no space left,",
    "id=4711",
]


@dataclass(frozen=True, slots=True)
class IngestShape:
    """One kind of lines.

    Attributes:
        lines: how many are written in a round.
        goal: the ratio to influxd 1.6.7 that shall be reached.
    """

    name: str
    line: Line
    lines: int
    goal: float

    def bodies(self, lines: int, batch_lines: int = BATCH_LINES) -> Iterator[bytes]:
        """Yield bodies of ``batch_lines`` lines each, ``lines`` in all."""
        random = Random(self.name)
        for begin in range(0, lines, batch_lines):
            numbers = range(begin, min(begin + batch_lines, lines))
            yield ("\n".join([self.line(random, n) for n in numbers]) + "\n").encode()


def _series_of_host(host: int) -> str:
    random = Random(host)
    region = random.choice(_REGIONS)
    return (
        f"cpu,hostname=host_{host},region={region},datacenter={region}{random.choice('abc')},rack={random.randrange(100)},"
        f"os=Ubuntu{random.choice(['16.10', '16.04LTS', '15.10'])},arch={random.choice(['x64', 'x86'])},"
        f"team={random.choice(['SF', 'NYC', 'LON', 'CHI'])},service={random.randrange(20)},"
        f"service_version={random.randrange(2)},service_environment={random.choice(['test', 'staging', 'production'])}"
    )


_SERIES = [_series_of_host(host) for host in range(HOSTS)]


def _float(random: Random) -> str:
    return f"{random.uniform(0, 100):.5f}"


def _cpu(random: Random, n: int) -> str:
    fields = ",".join([f"usage_{usage}={_float(random)}" for usage in _USAGES])
    return f"{_SERIES[n % HOSTS]} {fields} {START_NS + n // HOSTS * STEP_NS}"


def _wide(random: Random, n: int) -> str:
    fields = ",".join([f"f{i}={_float(random)}" for i in range(WIDE_FIELDS)])
    return f"plant,machine=press-{n % WIDE_HOSTS} {fields} {START_NS + n // WIDE_HOSTS * STEP_NS}"


def _mixed(random: Random, n: int) -> str:
    number, table = divmod(n, 5)
    host = number % MIXED_HOSTS
    line = _MIXED[table](random, host, f"host=server{host}")
    return f"{line} {START_NS + number // MIXED_HOSTS * STEP_NS}"


def _memory(random: Random, host: int, tag: str) -> str:
    used, cached, active = [random.randrange(1 << 34) for _ in range(3)]
    return f"mem,{tag} free={(1 << 34) - used}i,used={used}i,cached={cached}i,active={active}i"


def _disk(random: Random, host: int, tag: str) -> str:
    free, inodes = random.randrange(1 << 40), random.randrange(1 << 20)
    tags = f"device=sda{host % 3},{tag},path=/data{host % 3}"
    return f"disk,{tags} free={free}i,inodes={inodes}i,used_percent={_float(random)}"


def _network(random: Random, host: int, tag: str) -> str:
    received, sent, drop = random.randrange(1 << 40), random.randrange(1 << 40), random.randrange(9)
    return f"net,{tag},interface=eth{host % 2} bytes_recv={received}i,bytes_sent={sent}i,drop={drop}i"


def _sensors(random: Random, host: int, tag: str) -> str:
    on = random.choice(["true", "false"])
    return f"sensors,{tag},room=r{host % 40} temperature={_float(random)},humidity={_float(random)},on={on}"


def _requests(random: Random, host: int, tag: str) -> str:
    ok = "t" if random.random() < 0.9 else "f"
    return (
        f"requests,{tag},service=api{host % 12} count={random.randrange(5000)}i,seconds={random.random():.6f},ok={ok}"
    )


_MIXED = [_memory, _disk, _network, _sensors, _requests]


def _strings(random: Random, n: int) -> str:
    words = " ".join(random.choices(_WORDS, k=random.randint(2, 5)))
    message = f'said \\"{words}\\"' if n % 3 == 0 else words
    status = random.choice(["ok, done", "failed = 3", "a b"])
    tags = f"app=web{n % 20},host=server{n % 300}"
    return f'logs,{tags} message="{message}",status="{status}" {START_NS + n * 1_000_000}'


def single_line(n: int) -> bytes:
    """Return the body of write ``n`` of those that hold a single line."""
    return f"home,room=room{n % 50} temperature={20 + n % 100 / 7:.4f},humidity={n % 97}i {START_NS + n * 1_000_000}\n".encode()


CPU = IngestShape("cpu", _cpu, 400_000, 4.0)
MIXED = IngestShape("mixed", _mixed, 800_000, 1.3)
WIDE = IngestShape("wide", _wide, 120_000, 3.0)
STRINGS = IngestShape("strings", _strings, 800_000, 1.3)
SHAPES = (CPU, MIXED, WIDE, STRINGS)
