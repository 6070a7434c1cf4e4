"""The same verbs, blocking: for plain scripts, and for notebooks where a loop already runs."""

import batchio.sync

job = batchio.sync.run("exit $((BATCHIO_TASK_ID % 2))", shell=True, ntasks=4)
result = job.wait()

print(result.outcome, "- exit code", result.exit_code)
for task in result.tasks:
    print(f"task {task.id}: exit code {task.exit_code}")
