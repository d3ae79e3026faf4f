#!/bin/sh
# Installs the real servers and the browser that the tests start on loopback. Does nothing where they are.
set -eu
cd "$(dirname "$0")/../.."
. deploy/setup/apt.sh

PATH="$PATH:/usr/sbin:/usr/local/sbin"
missing=""
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v mosquitto_pub >/dev/null 2>&1 || missing="$missing mosquitto-clients"
# Without its recommended fonts and drawing library a browser shows neither text nor a map.
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core fonts-liberation libgl1-mesa-dri"
# Playwright's own driver needs it.
ldconfig -p | grep -q libatomic.so.1 || missing="$missing libatomic1"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v influxd >/dev/null 2>&1 || missing="$missing influxdb"
command -v victoria-metrics >/dev/null 2>&1 || missing="$missing victoria-metrics"
# Debian keeps its programs off the path. The server's own database is not used: tests start their own.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v caddy >/dev/null 2>&1 || missing="$missing caddy"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
command -v docker-compose >/dev/null 2>&1 || missing="$missing docker-compose"
# shellcheck disable=SC2086
[ -z "$missing" ] || apt_install $missing
