"""Stands for the plugin of that name in the public repository: writes the load of the machine."""

import os


def process_scheduled_call(influxdb3_local, call_time, args=None):
    line = LineBuilder("system_load")
    for name, load in zip(("load1", "load5", "load15"), os.getloadavg(), strict=True):
        line.float64_field(name, load)
    influxdb3_local.write(line)
