#!/bin/sh
# Build a Debian package for the Python of this machine: packaging/debian/build.sh WHEEL FOLDER
# The package brings its own environment with all libraries, in /usr/lib/influxdb3. UV says how uv is called, which installs into it.
set -eu
wheel=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

lib=$root/usr/lib/influxdb3
mkdir -p "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/etc/influxdb3" "$root/DEBIAN"
/usr/bin/python3 -m venv --without-pip --symlinks "$lib"
${UV:-uv} pip install --quiet --no-compile --python "$lib/bin/python" --constraint "$source/constraints.txt" "$wheel"
rm -rf "$lib/bin/activate"* "$lib/bin/Activate.ps1" "$lib/include" "$lib/.gitignore"
# What other packages put beside it names the folder where all this is built.
find "$lib/bin" -type f -delete
printf '#!/usr/lib/influxdb3/bin/python -P\nfrom influxdb3_cli.app import main\n\nmain()\n' > "$root/usr/bin/influxdb3"
chmod 755 "$root/usr/bin/influxdb3"
# The environment says where it was made; what counts is the interpreter.
sed -i -e '/^command = /d' "$lib/pyvenv.cfg"
install -m 644 "$source/packaging/influxdb3-core.conf" "$root/etc/influxdb3/influxdb3-core.conf"
install -m 644 "$source/packaging/systemd/influxdb3-core.service" "$root/usr/lib/systemd/system/influxdb3-core.service"

version=$(basename "$wheel" | cut -d- -f2)
architecture=$(dpkg --print-architecture)
python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/$python/" -e "s/@NEXT_PYTHON@/$next/" \
  -e "s/@SIZE_KB@/$(du -sk "$root" | cut -f1)/" "$here/control" > "$root/DEBIAN/control"
install -m 644 "$here/conffiles" "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done

mkdir -p "$folder"
dpkg-deb -Zzstd -z6 --build --root-owner-group "$root" "$folder/influxdb3-local_${version}_${architecture}.deb"
