# COILED n-tasks     10
# COILED memory      8 GiB
# COILED region      us-east-2

import os

print(f"Hello from {os.environ['COILED_BATCH_TASK_ID']}")
