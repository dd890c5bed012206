"""Plans statements that call functions which DataFusion lacks: by another text, with the names of the original one."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.query.functions.calls import Text, replaced
from engine.query.functions.selectors import original_name, rewrites
from engine.query.parameters import ParameterValue
from engine.query.sql_text import quote_identifier

if TYPE_CHECKING:
    from datafusion import DataFrame

FUNCTIONS = ("selector_first", "selector_last", "selector_min", "selector_max", "tz", "to_timestamp")
"""Functions that DataFusion lacks, or understands in another way."""

_SPECIAL = re.compile(rf"\b(?:{'|'.join(FUNCTIONS)})\b", re.IGNORECASE)


def planned(sql: str, params: Mapping[str, ParameterValue], plan: "Callable[[str], DataFrame]") -> "DataFrame":
    """Return the plan that ``plan`` makes of ``sql``, with the functions that it may call written for DataFusion.

    Raises:
        QueryError: a function is called in a way that is not allowed.
    """
    if not _SPECIAL.search(sql):
        return plan(sql)
    frame = plan(replaced(Text.of(sql), rewrites(params)))
    for name in frame.schema().names:
        original = original_name(name)
        if "to_timestamp_nanos" not in sql:
            original = original.replace("to_timestamp_nanos(", "to_timestamp(")
        if original != name:
            frame = frame.with_column_renamed(quote_identifier(name), original)
    return frame
