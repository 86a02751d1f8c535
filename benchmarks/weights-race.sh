#!/bin/sh
# Races the chunk server against other static servers: one file to eight workers over loopback.
#
#   benchmarks/weights-race.sh                     1 GiB, 3 repetitions
#   benchmarks/weights-race.sh --mebibytes 256 --repetitions 5 --workers 4
#
# nginx is raced where it is found: in the PATH, or as NGINX. The files go to --directory, by default
# a temporary file system, so that no disk is measured: it takes (workers + 1) times the size.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
(cd "$root" && ./mvnw -q -Dmaven.test.skip=true -P '!buf' -pl benchmarks -am package) >&2
script_name=weights-race
. "$root/.mvn/find-jdk.sh"
JAVA_HOME=$(find_jdk)
export JAVA_HOME
exec "${PYTHON:-python3}" "$here/weights_race.py" \
  --class-path "$here/target/classes:$(cat "$here/target/class-path")" "$@"
