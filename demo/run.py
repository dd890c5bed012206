"""The main job as a story: plugins run on writes, on a schedule and on requests, and ``kill -9`` loses and doubles nothing.

Works in a temporary folder and leaves nothing behind; ends with what was proven.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.table import Table

PROGRAM = str(Path(sys.executable).with_name("influxdb3"))
PLUGINS = Path(__file__).with_name("plugins")
DATABASE = "home"
KILLS = 3
ROWS_BETWEEN_KILLS = 1500
PATIENCE_S = 30
PICTURE_COLUMNS = 104

console = Console(highlight=False)


class Server:
    """``influxdb3 serve`` in a process of its own, always at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address = folder / "address"
        self._bind = "127.0.0.1:0"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = ""

    def start(self) -> float:
        """Start, and return the seconds until it answered."""
        self._address.unlink(missing_ok=True)
        began = time.monotonic()
        command = [PROGRAM, "serve", "--data-dir", str(self._folder / "data"), "--plugin-dir", str(PLUGINS)]
        command += ["--http-bind", self._bind, "--tcp-listener-file-path", str(self._address)]
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(lambda: self._address.exists() and self._address.read_text().strip() != "")
        self._bind = self._address.read_text().strip()
        until(self._is_healthy)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a loss of power would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._bind}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs."""
        return {"Authorization": f"Bearer {self.token}"}

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def command(self, *arguments: str, show: bool = True) -> str:
        """Run an ``influxdb3`` command, show it with what it says, and return that."""
        if show:
            console.print(f"[bold cyan]$ influxdb3 {' '.join(_quoted(a) for a in arguments)}[/]", soft_wrap=True)
        environment = os.environ | {"INFLUXDB3_HOST_URL": self.url, "INFLUXDB3_AUTH_TOKEN": self.token}
        done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"influxdb3 {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        if show:
            console.print(done.stdout.rstrip(), markup=False, soft_wrap=True)
        return done.stdout

    def rows(self, sql: str) -> list[dict[str, object]]:
        """Return the rows of a query."""
        body = {"db": DATABASE, "q": sql, "format": "json"}
        reply = httpx.post(f"{self.url}/api/v3/query_sql", json=body, headers=self.headers)
        reply.raise_for_status()
        rows: list[dict[str, object]] = reply.json()
        return rows


class Sensors(threading.Thread):
    """Writes readings without pause; what was not acknowledged is written again, as every client does."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._enough = threading.Event()
        self.acknowledged = 0

    def run(self) -> None:
        """Write until ``finish``."""
        number = 0
        start_ns = time.time_ns()
        with httpx.Client() as client:
            while not self._enough.is_set():
                count = random.choice((1, 1, 1, 5, 40))
                attempt = 1
                while not self._write(client, "\n".join(_reading(number + i, attempt, start_ns) for i in range(count))):
                    attempt += 1
                    time.sleep(0.02)
                number += count
                self.acknowledged = number

    def finish(self) -> None:
        """Write no more."""
        self._enough.set()
        self.join()

    def _write(self, client: httpx.Client, lines: str) -> bool:
        url = f"{self._server.url}/api/v3/write_lp?db={DATABASE}&precision=nanosecond"
        try:
            return client.post(url, content=lines, headers=self._server.headers).status_code == 204
        except httpx.TransportError:
            return False


def main() -> int:
    """Tell the story, and draw its triggers, kills and proof if asked to; return 0 if nothing was lost or doubled."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--picture", type=Path, help="file to which the terminal is drawn as SVG")
    picture: Path | None = parser.parse_args().picture
    if picture is not None:
        console.width = PICTURE_COLUMNS
    code = _told(is_drawn=picture is not None)
    if picture is not None and code == 0:
        without_fonts = re.sub(
            r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
        )  # they are on the network
        drawn = console.export_svg(title="make demo", code_format=without_fonts, unique_id="demo")
        picture.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n")
    return code


def _told(*, is_drawn: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="influxdb3-demo-") as folder:
        server = Server(Path(folder))
        try:
            return _story(server, is_drawn=is_drawn)
        finally:
            server.stop()


def _story(server: Server, *, is_drawn: bool) -> int:
    title("A server starts")
    console.print(
        f"It answers after {server.start():.2f} s. Nobody gets in without a token, so the first command makes one."
    )
    server.token = json.loads(server.command("create", "token", "--admin", "--format", "json", show=False))["token"]
    console.print("[bold cyan]$ influxdb3 create token --admin[/]\nNew token created successfully!")

    console.record = is_drawn
    title("Three plugins, three triggers: on a write, on a schedule, on a request")
    for name, spec, plugin in (
        ("convert", "table:readings", "copy_readings.py"),
        ("summary", "every:1s", "every_second.py"),
        ("warmest", "path:warmest", "ask.py"),
    ):
        if name == "convert":
            server.command("create", "database", DATABASE)
        options = ["--trigger-spec", spec, "--path", plugin, "--database", DATABASE, name]
        server.command("create", "trigger", *options)

    title(f"Sensors write; the server is killed {KILLS} times with kill -9")
    sensors = Sensors(server)
    sensors.start()
    for number in range(KILLS):
        goal = sensors.acknowledged + ROWS_BETWEEN_KILLS
        until(lambda goal=goal: sensors.acknowledged >= goal)
        server.kill()
        before = sensors.acknowledged
        back_s = server.start()
        console.print(f"kill -9 number {number + 1} after {before} acknowledged rows; back after {back_s:.2f} s")
    goal = sensors.acknowledged + ROWS_BETWEEN_KILLS
    until(lambda: sensors.acknowledged >= goal)
    sensors.finish()
    console.record = False
    return _proof(server, sensors, is_drawn=is_drawn)


def _proof(server: Server, sensors: Sensors, *, is_drawn: bool) -> int:
    written = sensors.acknowledged
    until(lambda: _count(server, "SELECT count(DISTINCT number) AS n FROM fahrenheit") >= written)

    title("What the plugins made of it")
    server.command("query", "--database", DATABASE, "SELECT * FROM summary ORDER BY time DESC LIMIT 3")
    console.print(f"[bold cyan]$ curl {server.url}/api/v3/engine/warmest?top=3[/]")
    console.print(httpx.get(f"{server.url}/api/v3/engine/warmest?top=3", headers=server.headers).text, markup=False)
    server.command(
        "query",
        "--database",
        DATABASE,
        "SELECT trigger_name, outcome, count(*) AS runs, sum(rows_in) AS rows_in, sum(lines_out) AS lines_out "
        "FROM system.processing_engine_runs GROUP BY trigger_name, outcome ORDER BY trigger_name",
    )

    console.record = is_drawn
    title("What was proven")
    stored = _count(server, "SELECT count(*) AS n FROM readings")
    processed = _count(server, "SELECT count(DISTINCT number) AS n FROM fahrenheit")
    # A sensor that got no answer writes again. If the first attempt had reached the disk after all, that is one row of
    # the table, but two writes, and the plugin sees both.
    delivered = _count(server, "SELECT count(DISTINCT 1000 * number + attempt) AS n FROM fahrenheit")
    effects = _count(server, "SELECT count(*) AS n FROM fahrenheit")
    counted = _count(server, "SELECT max(counted) AS n FROM fahrenheit")
    lost, doubled = written - min(stored, processed), effects - delivered
    table = Table("", "rows", title=f"after {KILLS} times kill -9 under load")
    for name, value in (
        ("acknowledged to the sensors", written),
        ("stored", stored),
        ("processed by the plugin", processed),
        ("of these also in an attempt that was not acknowledged", delivered - processed),
        ("the plugin's own counter, from its cache", counted),
        ("lost", lost),
        ("doubled", doubled),
    ):
        table.add_row(name, str(value))
    console.print(table)
    console.print(f"rows written {written}, rows processed {processed}, lost {lost}, doubled {doubled}")
    return 0 if (lost, doubled, counted, stored) == (0, 0, delivered, written) else 1


def title(text: str) -> None:
    """Begin a chapter."""
    console.print(f"\n[bold]{text}[/]")


def until(condition: object) -> None:
    """Return when ``condition()`` is true; give up after half a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit("the demo waited in vain; this is a defect, please report it")
        time.sleep(0.02)


def _count(server: Server, sql: str) -> int:
    try:
        return int(str(server.rows(sql)[0].get("n", 0)))
    except httpx.HTTPStatusError:
        return 0  # the table is not there yet


def _reading(number: int, attempt: int, start_ns: int) -> str:
    celsius = 20 + random.gauss(0, 3)
    fields = f"celsius={celsius:.2f},number={number}i,attempt={attempt}i"
    return f"readings,sensor=s{number % 7} {fields} {start_ns + number * 1000}"


def _quoted(argument: str) -> str:
    return f"'{argument}'" if any(c in argument for c in " *'") else argument


if __name__ == "__main__":
    sys.exit(main())
