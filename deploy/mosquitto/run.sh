#!/bin/sh
# Runs Mosquitto in the folder that `twuin broker init` has filled, and has it read identities and certificates
# anew when they change: who was revoked is thrown out within seconds.
#
# usage: run.sh FOLDER [CONFIGURATION]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: run.sh FOLDER [CONFIGURATION]}
configuration=${2:-$here/mosquitto.conf}
case $configuration in /*) ;; *) configuration=$PWD/$configuration ;; esac
PATH=$PATH:/usr/sbin:/usr/local/sbin

cd "$folder"
for file in passwords acl certs/server.crt certs/server.key; do
    if [ ! -f "$file" ]; then
        echo "$folder/$file is missing: run \`twuin broker init\` first" >&2
        exit 1
    fi
done

state() {
    cksum passwords acl certs/server.crt certs/server.key 2>/dev/null || true
}

known=$(state)
said=""
mosquitto -c "$configuration" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null' TERM INT
while kill -0 "$broker" 2>/dev/null; do
    # "wait" as well as "sleep", so that a signal is answered at once
    sleep 2 &
    wait $! || true
    if [ -z "$said" ] && kill -0 "$broker" 2>/dev/null; then
        said=yes
        echo "the broker runs in $folder (Ctrl-C ends it)" >&2
    fi
    now=$(state)
    if [ "$now" != "$known" ]; then
        known=$now
        echo "identities or certificates have changed: the broker reads them anew" >&2
        kill -HUP "$broker" 2>/dev/null || true
    fi
done
wait "$broker"
