"""``LineBuilder``, with which plugins put a line together."""

from __future__ import annotations

from engine.lineprotocol.escape import escape_measurement, escape_name, quote_string


class InfluxDBError(Exception):
    """What ``LineBuilder`` refuses."""


class InvalidMeasurementError(InfluxDBError):
    """The measurement's name cannot be written."""


class InvalidKeyError(InfluxDBError):
    """The key of a tag or of a field cannot be written."""


class InvalidLineError(InfluxDBError):
    """What was put together is not a line."""


class LineBuilder:
    """Puts one line together; every method but ``build`` returns the builder itself, so that calls can be chained.

    The types of values are not checked here: what the grammar does not allow is refused when the line is written.

    Attributes:
        measurement: the name of the table.
        tags: the text of each tag's value, by key, in the order of first setting.
        fields: each field's value as it will stand in the line, by key, in the same order.
    """

    def __init__(self, measurement: str) -> None:
        if " " in measurement:
            raise InvalidMeasurementError("Measurement name cannot contain spaces")
        self.measurement = measurement
        self.tags: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self._timestamp_ns: int | None = None

    def tag(self, key: str, value: object) -> LineBuilder:
        """Set a tag to the text of ``value``."""
        _check_key("tag", key)
        self.tags[key] = str(value)
        return self

    def uint64_field(self, key: str, value: int) -> LineBuilder:
        """Set an unsigned field.

        Raises:
            ValueError: ``value`` is negative.
        """
        _check_key("field", key)
        if value < 0:
            raise ValueError(f"uint64 field '{key}' cannot be negative")
        self.fields[key] = f"{value}u"
        return self

    def int64_field(self, key: str, value: int) -> LineBuilder:
        """Set an integer field."""
        _check_key("field", key)
        self.fields[key] = f"{value}i"
        return self

    def float64_field(self, key: str, value: float) -> LineBuilder:
        """Set a float field; a whole number is written with ``.0``."""
        _check_key("field", key)
        self.fields[key] = f"{int(value)}.0" if value % 1 == 0 else str(value)
        return self

    def string_field(self, key: str, value: str) -> LineBuilder:
        """Set a string field.

        Raises:
            AttributeError: ``value`` is not a string.
        """
        _check_key("field", key)
        self.fields[key] = quote_string(value)
        return self

    def bool_field(self, key: str, value: object) -> LineBuilder:
        """Set a boolean field to the truth of ``value``."""
        _check_key("field", key)
        self.fields[key] = "t" if value else "f"
        return self

    def time_ns(self, timestamp_ns: int | None) -> LineBuilder:
        """Set the timestamp in nanoseconds; ``None`` leaves it to the time of the write."""
        self._timestamp_ns = timestamp_ns
        return self

    def build(self) -> str:
        """Return the line.

        Raises:
            InvalidLineError: no field was set.
        """
        tags = "".join(f",{key}={escape_name(value)}" for key, value in self.tags.items())
        series = escape_measurement(self.measurement) + tags
        if not self.fields:
            raise InvalidLineError(f"At least one field is required: {series}")
        fields = ",".join(f"{escape_name(key)}={value}" for key, value in self.fields.items())
        time = "" if self._timestamp_ns is None else f" {self._timestamp_ns}"
        return f"{series} {fields}{time}"


def _check_key(kind: str, key: str) -> None:
    if not key:
        raise InvalidKeyError(f"{kind} key cannot be empty")
    for character, name in ((" ", "spaces"), (",", "commas"), ("=", "equals signs")):
        if character in key:
            raise InvalidKeyError(f"{kind} key '{key}' cannot contain {name}")
