#!/bin/sh
# Holds many worker streams against one coordinator on loopback, and says what they cost it: heap and
# whole memory, processor time while they only say that they live, time to register all.
#
#   benchmarks/many-workers.sh                     0, 500 and 2,000 workers; three minutes
#   benchmarks/many-workers.sh --workers 0 2000
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
(cd "$root" && ./mvnw -q -Dmaven.test.skip=true -P '!buf' -pl benchmarks -am package) >&2
script_name=many-workers
. "$root/.mvn/find-jdk.sh"
JAVA_HOME=$(find_jdk)
export JAVA_HOME
# Each connection has an end in the coordinator and one in the workers' process.
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -H -n)"
exec "${PYTHON:-python3}" "$here/many_workers.py" \
  --class-path "$here/target/classes:$(cat "$here/target/class-path")" "$@"
