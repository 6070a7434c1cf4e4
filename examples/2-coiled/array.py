import os

task_id = os.environ.get("COILED_ARRAY_TASK_ID")
print(f"Hello from task {task_id}")
