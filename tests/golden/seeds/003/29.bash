# With Docker
docker exec -it CONTAINER_NAME influxdb3 install package pandas
