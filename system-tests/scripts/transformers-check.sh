#!/bin/sh
# Compares the logits of a checkpoint in Gradus with those in transformers, within 1e-4.
#
#   system-tests/scripts/transformers-check.sh runs/addition-…/checkpoints/v…
#
# Needs a Python (PYTHON, or python3) with torch and transformers.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
checkpoint=$(CDPATH='' cd -- "$1" && pwd)
logits=$(mktemp)
trap 'rm -f "$logits"' EXIT
(cd "$root" && ./mvnw -q -P '!buf' -pl policy -am test -Dtest=CheckpointLogitsTest \
  -Dsurefire.failIfNoSpecifiedTests=false -Dcheckpoint="$checkpoint" -Dlogits="$logits") >&2
exec "${PYTHON:-python3}" "$here/transformers_logits.py" "$checkpoint" "$logits"
