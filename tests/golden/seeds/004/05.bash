sudo systemctl restart influxdb3-{{< product-key >}}
