"""Stands for the plugins in the public repository: counts rows."""


def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        line = LineBuilder("write_reports").tag("source_table", batch["table_name"])
        influxdb3_local.write(line.int64_field("row_count", len(batch["rows"])))
