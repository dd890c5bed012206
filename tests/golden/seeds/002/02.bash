sudo nano /etc/influxdb3/influxdb3-core.conf
