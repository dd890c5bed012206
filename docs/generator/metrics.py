"""The reference of metrics, as a server tells them that was asked and written to once."""

from typing import Any

from docs.generator.markdown import code, codes, prose, table
from docs.generator.running import running_engine
from engine.server.figures import ServerFigures
from engine.server.routes.metrics import Families

_OF_HISTOGRAMS = ("le",)


def families() -> list[Any]:
    """Return the families of figures of a server with its data in its folder."""
    figures = ServerFigures()
    figures.add_request("POST", "/api/v3/query_sql", "ok", 1, 1)
    figures.add_write("home", 1, 0, 1)
    figures.calls.add("/arrow.flight.protocol.FlightService/DoGet", "ok", 1)
    with running_engine() as engine:
        with engine.query_log.watching(0, "SELECT 1") as query:
            query.planned()
            query.ended("success")
        return list(Families(engine, figures).collect())


def markdown() -> str:
    """Return a table with a line for each family of figures."""
    return table(("Name", "Kind", "Meaning", "Labels"), sorted(_row(family) for family in families()))


def _row(family: Any) -> tuple[str, str, str, str]:
    of_samples = (name for sample in family.samples for name in sample.labels if name not in _OF_HISTOGRAMS)
    labels = dict.fromkeys(
        (*getattr(family, "_labelnames", ()), *of_samples)
    )  # a family without a sample tells no others
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return code(name), family.type, prose(family.documentation), codes(labels)
