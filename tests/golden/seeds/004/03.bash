sudo nano /etc/influxdb3/influxdb3-{{< product-key >}}.conf
