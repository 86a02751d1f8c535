#!/bin/sh
# Runs the JMH benchmarks; arguments go to JMH.
#
#   benchmarks/micro.sh                         all of them, a few minutes
#   benchmarks/micro.sh Trainer -p digits=12    one class, one parameter
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
(cd "$root" && ./mvnw -q -Dmaven.test.skip=true -P '!buf' -pl benchmarks -am package) >&2
script_name=micro
. "$root/.mvn/find-jdk.sh"
java=$(find_jdk)/bin/java
: "${OMP_NUM_THREADS:=1}" "${OPENBLAS_NUM_THREADS:=1}"
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS
exec "$java" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
  -cp "$here/target/classes:$(cat "$here/target/class-path")" org.openjdk.jmh.Main "$@"
