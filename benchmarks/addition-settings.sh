#!/bin/sh
# Measures settings of examples/addition.yaml against each other; --help has the options.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
"$here/../gradus" --version >/dev/null # builds it, so that no run pays for that
exec "${PYTHON:-python3}" "$here/addition_settings.py" "$@"
