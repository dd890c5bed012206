"""What became of a trial, and whose fault it is: judged by what is recorded of its runs, never by silence."""

import re
from dataclasses import dataclass
from enum import Enum

SERVICE = re.compile(
    r"Name or service not known|Temporary failure in name resolution|nodename nor servname|getaddrinfo|NameResolutionError"
    r"|Connection ?[Rr]efused|Connect(ion)?Error|ConnectTimeout|ReadTimeout|Max retries exceeded|Network is unreachable"
    r"|URLError|urlopen error|NoBrokersAvailable|timed? ?out|[Ff]ailed to connect|connection failed|Unable to locate credentials"
    r"|[Ff]ailed to fetch|Network error|HTTP error|ProxyError|SSLError",
)
"""Words of libraries and plugins for an outside service that is not there."""

ENGINE = re.compile(
    r"'(PyPluginCallApi|PluginCache|LineBuilder|TableBatch|Headers|RequestHeaders)' object"
    r"|the process_\w+ function is not present|error while planning query|QueryError| executing query on "
    r"|Cannot query|error writing back lines|error writing line protocol|argument '\w+': '\w+' object is not an instance"
    r"|name 'LineBuilder' is not defined|SyntaxError|IndentationError|the plugin host"
    r"|/engine/(host|columns|lineprotocol)/\w+\.py|RunInterrupted",
)
"""Words of the engine for what it could not do."""

NO_ANSWER = "Unsupported return type from Python function"
"""As in InfluxDB 3 Core: a function for requests that returns nothing is not finished."""

NO_TABLE = re.compile(r"table '[^']*' not found|[Tt]able \S+ not found", re.IGNORECASE)
MISSING = re.compile(r"(?:ModuleNotFoundError|ImportError): (?:No module named '([\w.]+)'|.*)")
MISFIT = re.compile(
    r"TypeError: (?!PyPluginCallApi|PluginCache|LineBuilder|process_)[\w.]+\(\) (got an unexpected keyword argument|missing \d+)"
    r"|ImportError: cannot import name '\w+' from '(?!engine|influxdb3_plugin)"
)
"""A package of another version than the plugin was written for."""

FRAME = re.compile(r'^  File "(?P<file>[^"]*)", line \d+, in .*\n(?:    (?P<line>.*)\n)?', re.MULTILINE)


class Outcome(Enum):
    """How a trial ended, from best to worst; the value is what the report says."""

    RAN = "ran"
    SERVICE = "ran, its service is not there"
    REFUSED = "ran, and refused what it was given"
    INCOMPLETE = "the plugin is incomplete"
    LEFT_OUT = "left out: its packages are not installed"
    PACKAGES = "its packages cannot be installed"
    ENGINE = "FAILED"


FAILURES = {Outcome.PACKAGES, Outcome.ENGINE}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is recorded of a trial.

    Attributes:
        refusal: what the server answered instead of creating the trigger.
        runs: how many runs ended.
        is_over: whether they ended while somebody waited.
        errors: of runs, each the text and the traceback.
        warnings: what the plugin logged as ``WARN`` and ``ERROR``, and the engine in its name.
        answer: status and body of a request.
        rows: what it wrote, in all databases.
        alerts: how many the notifier took from it.
        port: of the server, to know it in what the plugin says.
        modules: what can be imported from the plugins' environment.
    """

    runs: int
    is_over: bool = True
    errors: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: str | None = None
    answer: tuple[int, str] | None = None
    rows: int = 0
    alerts: int = 0
    port: int = 0
    modules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and the words that it rests on."""

    outcome: Outcome
    reason: str = ""


def judge(seen: Seen) -> Verdict:
    """Return what became of a trial; what cannot be explained otherwise is the engine's."""
    if seen.refusal is not None:
        return Verdict(Outcome.ENGINE, f"no trigger: {seen.refusal}")
    for text, details in seen.errors:
        verdict = _of_error(text, details, seen)
        if verdict.outcome is not Outcome.RAN:
            return verdict
    for line in seen.warnings:
        if _is_the_engine_s(line, seen.port):
            return Verdict(Outcome.ENGINE, line)
    if not seen.is_over or not seen.runs:
        outside = next((line for line in seen.warnings if SERVICE.search(line)), None)
        if outside and seen.runs == 0:
            return Verdict(Outcome.SERVICE, outside)
        return Verdict(Outcome.ENGINE, "no run of it ended" if not seen.runs else "its runs did not all end")
    return _of_words(seen)


def _of_error(text: str, details: str, seen: Seen) -> Verdict:
    """Judge an error that ended a run."""
    if MISFIT.search(text):
        return Verdict(Outcome.INCOMPLETE, f"it does not fit the version of a package: {text}")
    if missing := MISSING.search(text):
        module = (missing[1] or "").split(".")[0]
        if module and module not in seen.modules:
            return Verdict(Outcome.INCOMPLETE, f"it imports {module}, which nothing that it asks for brings")
        return Verdict(Outcome.ENGINE, text)
    if NO_ANSWER in text:
        return Verdict(Outcome.INCOMPLETE, text)
    if NO_TABLE.search(text):
        return Verdict(Outcome.REFUSED, text)
    if _is_the_engine_s(f"{text}\n{details}", seen.port):
        return Verdict(Outcome.ENGINE, text)
    if SERVICE.search(text) or SERVICE.search(details):
        return Verdict(Outcome.SERVICE, text)
    frames = list(FRAME.finditer(details))
    if frames and (frames[-1]["line"] or "").startswith("raise"):
        return Verdict(Outcome.REFUSED, text)
    return Verdict(Outcome.ENGINE, text)


def _of_words(seen: Seen) -> Verdict:
    """Judge runs that ended well by what they said meanwhile."""
    if seen.alerts:  # what it logs as errors then are its alerts
        return Verdict(Outcome.RAN, f"the notifier took {seen.alerts} alerts")
    status, body = seen.answer or (200, "")
    if outside := next((line for line in seen.warnings if SERVICE.search(line)), None):
        return Verdict(Outcome.SERVICE, outside)
    told = next((line for line in seen.warnings if line.startswith("ERROR")), None)
    is_failure = bool(re.search(r'"(error|status)":\s*"?(failed|error)|"error":|Error: ', body))
    if told is not None or status >= 400 or is_failure:
        words = told or f"{status} {body}"
        return Verdict(Outcome.SERVICE if SERVICE.search(words) else Outcome.REFUSED, words)
    return Verdict(Outcome.RAN, next(iter(seen.warnings), ""))


def _is_the_engine_s(text: str, port: int) -> bool:
    """Return whether ``text`` tells of something that the engine could not do: its own address counts as such."""
    if NO_TABLE.search(text):
        return False
    to_us = re.search(rf"(localhost|127\.0\.0\.1).{{0,8}}\b{port}\b|port={port}\b", text) if port else None
    return bool(ENGINE.search(text)) or bool(to_us and SERVICE.search(text))
