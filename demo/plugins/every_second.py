"""Every second: how warm is it on average?"""


def process_scheduled_call(influxdb3_local, call_time, args=None):
    tables = {row["table_name"] for row in influxdb3_local.query("SHOW TABLES")}
    if "fahrenheit" not in tables:
        return
    (found,) = influxdb3_local.query("SELECT avg(degrees) AS mean, count(*) AS rows FROM fahrenheit")
    line = LineBuilder("summary")
    line.float64_field("mean", found["mean"])
    line.int64_field("rows", found["rows"])
    influxdb3_local.write(line)
    influxdb3_local.info(f"{found['rows']} rows at {call_time:%H:%M:%S}")
