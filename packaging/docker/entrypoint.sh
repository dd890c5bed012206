#!/bin/sh
# Entrypoint of the image. INFLUXDB3_UNSET_VARS: names of variables, separated by commas or blanks, that the server shall not see.
# Arguments may name variables ('$NODE_ID', '${NODE_ID}'): what stands in them is put in.
set -eu

for name in $(printf '%s' "${INFLUXDB3_UNSET_VARS:-}" | tr ',' ' '); do
  case $name in
    [0-9]* | *[!A-Za-z0-9_]*)
      echo "entrypoint: INFLUXDB3_UNSET_VARS names '$name', which is no name of a variable: letters, digits and _ are allowed" >&2
      exit 2
      ;;
  esac
  unset "$name"
done
unset INFLUXDB3_UNSET_VARS

[ "$#" -gt 0 ] || set -- serve

# Each argument goes to the end of the list with its variables put in; after one round all have.
for argument in "$@"; do
  shift
  set -- "$@" "$(printf '%s' "$argument" | envsubst)"
done

case $1 in
  influxdb3 | sh | bash | /*) exec "$@" ;;
  *) exec influxdb3 "$@" ;;
esac
