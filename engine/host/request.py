"""What a request plugin gets to know of its request beyond the five parameters that InfluxDB 3 passes."""

from engine.host.protocol import RequestData


class RequestHeaders(dict[str, str]):
    """The headers of a request, names in lower case, of equal ones the last; with what else came in.

    Attributes:
        method: ``GET`` or ``POST``.
        path: the path as it was sent, not decoded, ``/api/v3/engine/`` included.
        query_string: the text behind ``?`` as it was sent, empty where there is none.
    """

    def __init__(self, request: RequestData) -> None:
        super().__init__(request.headers)
        self.method = request.method
        self.path = request.path
        self.query_string = request.query_string
