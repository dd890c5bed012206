# Install a package directly
influxdb3 install package pandas
