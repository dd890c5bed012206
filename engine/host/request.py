"""What a request plugin gets to know of its request beyond the five parameters that InfluxDB 3 passes."""

from collections.abc import Mapping


class RequestHeaders(dict[str, str]):
    """The headers of a request, names in lower case, of equal ones the last; with what else came in.

    Attributes:
        method: ``GET`` or ``POST``.
        path: the path as it was sent, not decoded, ``/api/v3/engine/`` included.
        query_string: the text behind ``?`` as it was sent, empty where there is none.
    """

    def __init__(
        self, headers: Mapping[str, str], *, method: str = "GET", path: str = "", query_string: str = ""
    ) -> None:
        super().__init__(headers)
        self.method = method
        self.path = path
        self.query_string = query_string
