sudo systemctl restart influxdb3-core
