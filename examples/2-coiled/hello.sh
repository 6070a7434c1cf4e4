#!/bin/bash

# COILED ntasks 10
# COILED memory 32GB
# COILED container ubuntu:latest

echo Hello from $COILED_BATCH_TASK_ID
