"""Checks of the page's own text: first steps, parallelism, coordination, timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.checks import row

if TYPE_CHECKING:
    from tests.conformance.person import Person

MY_SCRIPT = """#!/bin/bash

# COILED ntasks 10
# COILED memory 32GB
# COILED container ubuntu:latest

echo Hello from $COILED_BATCH_TASK_ID
"""
PROCESS = """# COILED region us-east-2
import sys
print("processing", sys.argv[1])
"""
HELLOS = [f"Hello from {task}" for task in range(10)]


@row("A1")
def region(person: Person) -> None:
    assert "--region us-east-2 (command line): ignored" in person.warns(
        "--region", "us-east-2", "--", "true"
    )


@row("A2", "R:--memory")
def hardware(person: Person) -> None:
    if person.hosts:
        seen = person.type("run", "--wait", "--memory", "900TB", "--", "true", code=3)
        assert "a task needs" in seen.err
        return
    assert "a task needs" in person.refuses("--memory", "900TB", "--", "true")
    person.type("run", "--wait", "--memory", "900TB", "--ignore", "memory", "--", "true")


@row("A3")
def many_machines(person: Person) -> None:
    person.type("run", "--wait", "--ntasks", "9", "--slots", "1", "--", "sleep", "0.2")
    nodes = {task["node"] for task in person.read("status", "--format", "json")["tasks"]}
    assert len(nodes) == (len(person.hosts) or 1)


@row("A4")
def any_program(person: Person) -> None:
    assert person.prints("--", "awk", "BEGIN { print 6 * 7 }") == ["42"]
    person.file("a.lua", "print(1)\n")
    assert "batchio run lua a.lua" in person.refuses("a.lua")


@row("A5")
def lightweight(person: Person) -> None:
    assert "batchio run hello.sh" in person.type("--help").out


@row("B1", "B12")
def my_script_sh(person: Person) -> None:
    person.file("my_script.sh", MY_SCRIPT)
    assert person.prints("--ignore", "memory,container", "my_script.sh") == HELLOS


@row("B2", "D1")
def run_returns(person: Person) -> None:
    person.file("my_script.sh", "#!/bin/bash\n# COILED ntasks 2\nsleep 0.5\n")
    job = person.type("run", "my_script.sh").out.strip()
    assert [each["id"] for each in person.jobs()] == [job]
    person.type("wait", job)


@row("B3", "F1", "E2")
def task_ids(person: Person) -> None:
    assert person.prints("--ntasks", "10", "--", "printenv", "COILED_BATCH_TASK_ID") == [
        str(task) for task in range(10)
    ]


@row("B4")
def my_script_py(person: Person) -> None:
    person.file(
        "my_script.py",
        "# COILED n-tasks 10\n# COILED memory 256 MiB\n# COILED region us-east-2\n"
        "import os\nprint('Hello from', os.environ['COILED_BATCH_TASK_ID'])\n",
    )
    assert person.prints("my_script.py") == HELLOS


@row("B6", "E11", "E12", "R:--map-over-file")
def over_a_file(person: Person) -> None:
    person.file("process.py", PROCESS)
    person.file("inputs.txt", "s3://b/a.csv\ns3://b/c d.csv\n")
    words = ("--map-over-file", "inputs.txt", "process.py", "$COILED_BATCH_TASK_INPUT")
    assert person.prints(*words) == ["processing s3://b/a.csv", "processing s3://b/c d.csv"]


@row("B7")
def credentials_of_the_script(person: Person) -> None:
    person.env |= {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret"}
    keys = ("--secret-env", "AWS_ACCESS_KEY_ID", "--secret-env", "AWS_SECRET_ACCESS_KEY")
    line = 'echo "$AWS_ACCESS_KEY_ID" "${#AWS_SECRET_ACCESS_KEY}"'
    assert person.prints(*keys, "--shell", line) == ["mine 6"]


@row("B8", "R:--vm-type")
def gpu_script(person: Person) -> None:
    person.file("my_gpu_script.py", "# COILED n-tasks 4\n# COILED vm-type g5.xlarge\nprint(1)\n")
    said = person.refuses("my_gpu_script.py")
    assert "my_gpu_script.py:2: vm-type: " in said
    assert "--ignore vm-type" in said
    assert person.prints("--ignore", "vm-type", "my_gpu_script.py") == ["1"] * 4


@row("B9")
def inspected(person: Person) -> None:
    person.file("my_script.sh", MY_SCRIPT)
    plan = person.plans("--ignore", "memory,container", "my_script.sh")
    places = {option["option"]: option["origin"] for option in plan["options"]}
    assert (plan["tasks"], places["ntasks"]) == (10, "my_script.sh:3")


@row("C1")
def spellings(person: Person) -> None:
    lines = ("ntasks 2", "--ntasks 2", "n-tasks=2", "n_tasks: 2", "ntasks  '2'  # two")
    for sign, end in (("#", "sh"), ("#", "py")):
        for line in lines:
            person.file(f"a.{end}", f"{sign} COILED {line}\n")
            assert person.plans(f"a.{end}")["tasks"] == 2
    person.file("a.sh", "# COILED no-cross-zone\n# COILED gpu false\ntrue\n")
    assert "--no-cross-zone (a.sh:1): ignored" in person.warns("a.sh")
    person.file("a.sh", "# COILED ntask 2\n")
    assert "did you mean ntasks?" in person.refuses("a.sh")


@row("C2")
def arguments_win(person: Person) -> None:
    person.file("a.sh", "# COILED ntasks 2\necho a\n")
    assert person.prints("--ntasks", "3", "a.sh") == ["a"] * 3


@row("C3")
def reference(person: Person) -> None:
    assert "--map-over-task-var-dicts" not in person.type("run", "--help").out
    assert "--spot-policy" in person.type("run", "--help").out


@row("E1")
def once(person: Person) -> None:
    person.file("a.sh", "echo once\n")
    assert person.prints("a.sh") == ["once"]


@row("E4", "E5")
def one_at_a_time(person: Person) -> None:
    words = ("--ntasks", "6", "--slots", "1", "--max-workers", "1", "--shell")
    lock = "mkdir /tmp/$BATCHIO_JOB_ID && sleep 0.05 && rmdir /tmp/$BATCHIO_JOB_ID"
    person.type("run", "--wait", *words, lock)


@row("E6", "R:--max-workers")
def most_workers(person: Person) -> None:
    for most in ("-1", "1"):
        person.type("run", "--wait", "--ntasks", "4", "-N", most, "--", "true")
        nodes = person.read("status", "--format", "json")["nodes"]
        assert most == "-1" or len(nodes) == 1
    person.type("run", "-N", "0", "true", code=2)


@row("E7")
def array_task_id(person: Person) -> None:
    words = ("--array", "3,5", "--", "printenv", "COILED_ARRAY_TASK_ID")
    assert person.prints(*words) == ["3", "5"]


@row("E8", "R:--array")
def arrays(person: Person) -> None:
    for text, count in (("2,4-6,8-10", 7), ("0-10:2", 6), ("5", 1), ("0-9%2", 10)):
        assert person.plans("--array", text, "true")["tasks"] == count
    for wrong in ("1,1", "-3", "a", ""):
        assert "--array: " in person.refuses("--array", wrong, "true")


@row("E9", "R:--map-over-values")
def over_values(person: Person) -> None:
    words = ("echo", "$COILED_BATCH_TASK_INPUT")
    assert person.prints("--map-over-values", "first,second,third", *words) == [
        "first",
        "second",
        "third",
    ]
    for option in ("--map-over-values", "--map-over-file", "--array"):
        person.type("run", option, "", *words, code=2)


@row("E10", "R:--map-over-input-var")
def own_variable(person: Person) -> None:
    words = ("--map-over-values", "a", "--map-over-input-var", "MINE", "--shell", "echo $MINE")
    assert person.prints(*words) == ["a"]


@row("R:--map-over-delimiter")
def delimiters(person: Person) -> None:
    words = ("--map-over-values", "a;-b;-", "--map-over-delimiter", ";-")
    assert person.prints(*words, "--", "echo", "$BATCHIO_TASK_INPUT") == ["a", "b"]


@row("E13")
def one_string(person: Person) -> None:
    said = person.refuses("echo 'Hello, world'")
    assert "write separate words: batchio run echo 'Hello, world'" in said
    assert "--shell" in said
    assert person.prints("--shell", "echo 'Hello, world'") == ["Hello, world"]


@row("F2", "F3", "F4", "F5", "F6", "F7", "F8")
def coordination(person: Person) -> None:
    names = "BATCH_TASK_COUNT BATCH_LOCAL_ADDRESS BATCH_SCHEDULER_ADDRESS BATCH_PROCESS_TYPE"
    names += " BATCH_READY_WORKERS CLUSTER_ID CLUSTER_NAME"
    line = "echo " + " ".join(f'"$COILED_{name}"' for name in names.split())
    [said] = person.prints("--name", "coordinated", "--shell", line)
    count, here, scheduler, kind, ready, job, name = said.split()
    assert (count, here, kind, name) == ("1", scheduler, "scheduler", "coordinated")
    assert here in ready.split(",")
    assert job == person.jobs()[0]["id"]


@row("F9")
def hostname_of_the_cluster(person: Person) -> None:
    words = ("--ntasks", "4", "--slots", "1", "--wait-for-ready-cluster", "--shell")
    line = "echo $COILED_CLUSTER_HOSTNAME $COILED_BATCH_SCHEDULER_ADDRESS; sleep 0.2"
    [pair] = set(person.prints(*words, line))
    cluster, address = pair.split()
    assert cluster == address or not person.hosts


@row("H1", "R:--forward-aws-credentials")
def credentials(person: Person) -> None:
    assert "--forward-aws-credentials" in person.warns("--forward-aws-credentials", "true")


@row("I1")
def timeout_program(person: Person) -> None:
    person.type("run", "--wait", "timeout", "0.1", "sleep", "60", code=1)
    assert person.read("status", "--format", "json")["tasks"][0]["exit_code"] == 124


@row("I2", "R:--job-timeout")
def job_timeout(person: Person) -> None:
    person.type("run", "--wait", "--job-timeout", "0.3 seconds", "sleep", "60", code=5)
    for text in ("1 hour", "1h30", "30 minutes", "90"):
        person.plans("--job-timeout", text, "true")
    assert (
        "write a duration"
        in person.type("run", "--job-timeout", "5 fortnights", "true", code=2).err
    )
