"""On ``GET /api/v3/engine/warmest?top=3``: the warmest readings as JSON."""


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    top = int(query_parameters.get("top", "3"))
    return influxdb3_local.query(
        f"SELECT sensor, round(max(degrees), 1) AS warmest FROM fahrenheit GROUP BY sensor ORDER BY warmest DESC LIMIT {top}"
    )
