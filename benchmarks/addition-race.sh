#!/bin/sh
# Races Gradus against a plain PyTorch program to ten digits of addition, alternately, seed by seed.
#
#   benchmarks/addition-race.sh [SEEDS]          default: 15 seeds, both tables
#   benchmarks/addition-race.sh --from FILE      the tables of a race already run
#   benchmarks/addition-race.sh --help           every option
#
# Makes a virtual environment with PyTorch in benchmarks/target/ if the Python at hand (PYTHON, or
# python3) has none.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
environment=$here/target/python
python=${PYTHON:-python3}

case " $* " in
  *" --from "* | *" --from="* | *" --help "* | *" -h "*) ;;
  *)
    if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
      python=$environment/bin/python
      if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
        echo "addition-race: installing PyTorch into $environment (once) ..." >&2
        mkdir -p "$here/target"
        "${PYTHON:-python3}" -m venv "$environment"
        "$python" -m pip install --quiet torch numpy
      fi
    fi
    ;;
esac
exec "$python" "$here/addition_race.py" "$@"
