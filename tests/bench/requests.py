"""How much longer a request trigger takes to answer than ``/ping``, which does nothing."""

import http.client
import time

from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import Bench, bench_server

REQUESTS = 500
WARM_UP = 20
PAUSE_S = 0.002

FUNCTION = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
PLUGINS = {
    "answers": FUNCTION + "    return {'status': 'ok'}\n",
    "writes": FUNCTION
    + "    influxdb3_local.write(LineBuilder('out').int64_field('n', 1))\n"
    + "    return {'status': 'ok'}\n",
}


def measure(rounds: int) -> list[Figure]:
    """Return delays of single requests to an idle server, in ms."""
    per_round = [_round() for _ in range(rounds)]
    goals = {"request trigger beyond /ping p50": "≤ 1"}
    return [median_of(name, [r[name] for r in per_round], "ms", goals.get(name, "")) for name in per_round[0]]


def _round() -> dict[str, float]:
    with bench_server() as bench:
        for name, code in PLUGINS.items():
            (bench.plugins / f"{name}.py").write_text(code)
            bench.trigger(name, f"request:{name}", f"{name}.py")
        ping, answers, writes = _took_ms(bench, ("/ping", "/api/v3/engine/answers", "/api/v3/engine/writes"))
    return {
        "/ping p50": percentile(ping, 0.5),
        "request trigger p50": percentile(answers, 0.5),
        "request trigger p99": percentile(answers, 0.99),
        "request trigger beyond /ping p50": percentile(answers, 0.5) - percentile(ping, 0.5),
        "request trigger that writes p50": percentile(writes, 0.5),
    }


def _took_ms(bench: Bench, targets: tuple[str, ...]) -> list[list[float]]:
    """Return how long each answer took, by target; they take turns, so that a busy machine is the same for all."""
    connection = http.client.HTTPConnection(bench.serving.url.removeprefix("http://"))
    took: list[list[float]] = [[] for _ in targets]
    for number in range(REQUESTS + WARM_UP):
        for target, times in zip(targets, took, strict=True):
            began = time.perf_counter()
            connection.request("GET", target)
            reply = connection.getresponse()
            reply.read()
            if number >= WARM_UP:  # the first ones load the plugin
                times.append((time.perf_counter() - began) * 1000)
            if reply.status != 200:
                raise SystemExit(f"{target} was answered with {reply.status}")
            time.sleep(PAUSE_S)
    connection.close()
    return took
