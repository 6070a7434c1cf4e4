#!/bin/sh
# Measure every module of the standard library, one task each, and summarise what they found.
#
#     sh examples/3-standard-library/run.sh [FOLDER]
#
# FOLDER gets one folder for each task; without it the results are shown and thrown away.
set -eu
here=$(dirname "$0")
results=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$results"' EXIT

python3 "$here/modules.py" |
    batchio run --wait --map-over-file - --download "$results" \
        "$here/measure.py" '$BATCHIO_TASK_INPUT'

python3 "$here/summary.py" "$results"
