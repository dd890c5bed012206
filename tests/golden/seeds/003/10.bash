curl http://{{% influxdb/host %}}/api/v3/engine/webhook
