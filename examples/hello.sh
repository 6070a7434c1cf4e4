#!/bin/sh
# The first job: ten tasks on this computer.
#
#     batchio run --follow examples/hello.sh
#
# BATCHIO ntasks 10

echo "Hello from task $BATCHIO_TASK_ID of $BATCHIO_TASK_COUNT"
