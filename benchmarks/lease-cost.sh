#!/bin/sh
# Measures what one lease costs the decider of a run with more and more workers, over a faked ledger,
# prints a table, and draws it.
#
#   benchmarks/lease-cost.sh                       100, 1,000 and 10,000 workers; a minute
#   benchmarks/lease-cost.sh --chart benchmarks/results/lease-cost.svg
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
(cd "$root" && ./mvnw -q -Dmaven.test.skip=true -P '!buf' -pl benchmarks -am package) >&2
script_name=lease-cost
. "$root/.mvn/find-jdk.sh"
JAVA_HOME=$(find_jdk)
export JAVA_HOME
exec "${PYTHON:-python3}" "$here/lease_cost.py" \
  --class-path "$here/target/classes:$(cat "$here/target/class-path")" "$@"
