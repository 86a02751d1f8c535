#!/bin/sh
# Races the coordinator against clients that only insert: groups that simulated workers submit and
# that are acknowledged, against rows of the same size, one a transaction, in the same PostgreSQL.
#
#   benchmarks/submit-race.sh postgres                        32 workers, 32 clients, 8 KiB; 3 minutes
#   benchmarks/submit-race.sh postgres --groups-per-call 8
#   benchmarks/submit-race.sh sqlite                          the embedded ledger, without a rival
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
(cd "$root" && ./mvnw -q -Dmaven.test.skip=true -P '!buf' -pl benchmarks -am package) >&2
script_name=submit-race
. "$root/.mvn/find-jdk.sh"
JAVA_HOME=$(find_jdk)
export JAVA_HOME
exec "${PYTHON:-python3}" "$here/submit_race.py" \
  --class-path "$here/target/classes:$(cat "$here/target/class-path")" "$@"
