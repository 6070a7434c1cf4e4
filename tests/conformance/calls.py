"""Checks of the call from Python, by groups of its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.checks import row

if TYPE_CHECKING:
    from tests.conformance.person import Person


@row("Y1", "Y4", "Y5")
def jobs(person: Person) -> None:
    said = person.python(
        "job = bs.run(T, name='called')\n"
        "ids = [each.id for each in bs.list_jobs()]\n"
        "print(job.wait().outcome, bs.status(job.id).name, ids == [job.id])"
    )
    assert said == "succeeded called True\n"


@row("Y2")
def commands(person: Person) -> None:
    person.file("a.py", "print('script')\n")
    for command, printed in (
        (["echo", "a b"], "a b"),
        ("a.py", "script"),
        ("echo a | tr a b", "b"),
        ("#!/bin/sh\necho text\n", "text"),
    ):
        code = f"job = bs.run({command!r}); job.wait(); print(job.stdout(0), end='')"
        assert person.python(code).strip() == printed


@row("Y:requirements")
def requirements(person: Person) -> None:
    for words in ("software='x'", "vm_type='g5.xlarge'"):
        code = f"try: bs.run(T, {words})\nexcept batchio.UsageError as err: print(err.hint)"
        assert f'ignore="{words.partition("=")[0].replace("_", "-")}"' in person.python(code)
        name = words.partition("=")[0]
        assert person.python(f"bs.run(T, {words}, ignore=['{name}']).wait()") == ""
    assert person.jobs()


@row("Y:placing")
def placing(person: Person) -> None:
    words = (
        "region='x', spot_policy='spot', allow_cross_zone=False, disk_size=100, "
        "allow_ssh_from='me', scheduler_vm_type='x', package_sync_strict=True"
    )
    code = (
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        f"    bs.run(T, {words}).wait()\n"
        "print(len([w for w in told if issubclass(w.category, batchio.BatchioWarning)]))"
    )
    assert person.python(code) == "7\n"


@row("Y:names")
def names(person: Person) -> None:
    code = (
        "job = bs.run(['sh', '-c', 'echo $A $B'], name='n', tag={'a': 'b'}, env={'A': '1'},"
        " secret_env={'B': 'two'})\njob.wait(); print(job.name, job.stdout(0), end='')"
    )
    assert person.python(code) == "n 1 two\n"


@row("Y:tasks")
def tasks(person: Person) -> None:
    for words, count in (
        ("ntasks=3", 3),
        ("array=[1, 5]", 2),
        ("array=range(0, 10, 2)", 5),
        ("map_over_values=iter('abc')", 3),
        ("map_over_values=[1, 2]", 2),
        ("map_over_task_var_dicts=[{'A': 1}, {'A': 2}]", 2),
    ):
        assert person.python(f"print(bs.plan(T, {words}).tasks)") == f"{count}\n"


@row("Y:files")
def files(person: Person) -> None:
    person.file("data/a.txt", "A\n")
    code = (
        "import io\n"
        "job = bs.run(['cat', 'a.txt', 'b.txt'], local_upload_path='data',"
        " buffers_to_upload=[{'relative_path': 'b.txt', 'buffer': io.BytesIO(b'B\\n')}])\n"
        "job.wait(); print(job.stdout(0), end='')"
    )
    assert person.python(code) == "A\nB\n"


@row("Y:script")
def scripts(person: Person) -> None:
    code = (
        "job = bs.run('#!/usr/bin/env python3\\nprint(6 * 7)', command_as_script=True,"
        " host_setup_script_content='true')\njob.wait(); print(job.stdout(0), end='')"
    )
    assert person.python(code) == "42\n"


@row("Y:running")
def running(person: Person) -> None:
    code = (
        "import datetime\n"
        "job = bs.run(['sleep', '60'], job_timeout=datetime.timedelta(seconds=0.3),"
        " max_workers=1, wait_for_ready_cluster=True)\nprint(job.wait().outcome)"
    )
    assert person.python(code) == "timed_out\n"


@row("Y:logger")
def logger(person: Person) -> None:
    code = (
        "import logging, sys\n"
        "logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format='%(message)s')\n"
        "bs.run(T, region='x', logger=logging.getLogger('mine')).wait()"
    )
    assert "region" in person.python(code)


@row("Y3")
def directives(person: Person) -> None:
    person.file("a.sh", "# COILED ntasks 2\n# COILED map-over-delimiter ;\ntrue\n")
    assert person.python("print(bs.plan('a.sh').tasks)") == "2\n"
