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


@row("Y:software", "Y:vm_type")
def requirements(person: Person) -> None:
    for words in ("software='x'", "vm_type='g5.xlarge'"):
        code = f"try: bs.run(T, {words})\nexcept batchio.UsageError as err: print(err.hint)"
        assert f'ignore="{words.partition("=")[0].replace("_", "-")}"' in person.python(code)
        name = words.partition("=")[0]
        assert person.python(f"bs.run(T, {words}, ignore=['{name}']).wait()") == ""
    assert person.jobs()


@row("Y:cpu", "Y:memory", "Y:gpu", "Y:arm")
def hardware(person: Person) -> None:
    wanted = "dict(cpu=9999), dict(memory='900TB'), dict(gpu=True), dict(arm=True)"
    code = (
        f"for wanted in {wanted}:\n"
        "    try: print(bs.run(T, **wanted).wait().outcome)\n"
        "    except batchio.UsageError: print('refused')"
    )
    assert person.python(code).split() == ["lost" if person.hosts else "refused"] * 4


@row(
    "Y:scheduler_vm_type", "Y:region", "Y:spot_policy", "Y:allow_cross_zone", "Y:disk_size",
    "Y:allow_ssh_from", "Y:package_sync_conda_extras",
    "Y:cluster_kwargs", "Y:forward_aws_credentials",
)  # fmt: skip
def placing(person: Person) -> None:
    words = (
        "region='x', spot_policy='spot', allow_cross_zone=False, disk_size=100, "
        "allow_ssh_from='me', scheduler_vm_type='x', "
        "package_sync_conda_extras=['a'], cluster_kwargs={'a': 1}, forward_aws_credentials=True"
    )
    code = (
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        f"    bs.run(T, {words}).wait()\n"
        "print(len([w for w in told if issubclass(w.category, batchio.BatchioWarning)]))"
    )
    assert person.python(code) == "9\n"


@row("Y:name", "Y:env", "Y:secret_env", "Y:tag", "Y:workspace")
def names(person: Person) -> None:
    code = (
        "job = bs.run(['sh', '-c', 'echo $A $B'], name='n', tag={'a': 'b'}, env={'A': '1'},"
        " secret_env={'B': 'two'}, workspace='mine')\n"
        "job.wait(); [listed] = bs.list_jobs(workspace='mine')\n"
        "print(job.name, *listed.tags, bs.list_jobs(), job.stdout(0), end='')"
    )
    assert person.python(code) == "n a=b [] 1 two\n"


@row(
    "Y:ntasks", "Y:array", "Y:map_over_values", "Y:map_over_file", "Y:map_over_input_var",
    "Y:map_over_task_var_dicts", "Y:map_over_delimiter",
)  # fmt: skip
def tasks(person: Person) -> None:
    person.file("in.txt", "a;b;c;d")
    cases = (
        ("ntasks=3", 3),
        ("array=[1, 5]", 2),
        ("array=range(0, 10, 2)", 5),
        ("map_over_values=iter('abc')", 3),
        ("map_over_values=[1, 2]", 2),
        ("map_over_task_var_dicts=[{'A': 1}, {'A': 2}]", 2),
        ("map_over_file='in.txt', map_over_delimiter=';', map_over_input_var='MINE'", 4),
    )
    code = "".join(f"print(bs.plan(T, {words}).tasks)\n" for words, _ in cases)
    assert person.python(code).split() == [str(count) for _, count in cases]


@row(
    "Y:task_on_scheduler", "Y:scheduler_task_array", "Y:package_sync_ignore",
    "Y:package_sync_strict",
)  # fmt: skip
def some_places(person: Person) -> None:
    code = (
        "for words in dict(task_on_scheduler=True), dict(scheduler_task_array='0'),"
        " dict(package_sync_ignore=['c']), dict(package_sync_strict=True):\n"
        "    print(len([w for w in bs.plan(T, **words).warnings if 'ignored' in w]))"
    )
    assert person.python(code).split() == ["0" if person.hosts else "1"] * 4


@row("Y:container", "Y:run_on_host", "Y:ignore_container_entrypoint")
def containers(person: Person) -> None:
    code = (
        "words = dict(container='debian', ignore_container_entrypoint=True, run_on_host=True)\n"
        "print(*(v for k, v, _ in bs.plan(T, **words).options if k.replace('-', '_') in words))"
    )
    assert sorted(person.python(code).split()) == ["debian", "yes", "yes"]


@row("Y:local_upload_path", "Y:buffers_to_upload")
def files(person: Person) -> None:
    person.file("data/a.txt", "A\n")
    code = (
        "import io\n"
        "job = bs.run(['cat', 'a.txt', 'b.txt'], local_upload_path='data',"
        " buffers_to_upload=[{'relative_path': 'b.txt', 'buffer': io.BytesIO(b'B\\n')}])\n"
        "job.wait(); print(job.stdout(0), end='')"
    )
    assert person.python(code) == "A\nB\n"


@row("Y:command_as_script", "Y:host_setup_script", "Y:host_setup_script_content")
def scripts(person: Person) -> None:
    code = (
        "for more in dict(host_setup_script_content='true'), dict(host_setup_script='setup.sh'):\n"
        "    text = '#!/usr/bin/env python3\\nprint(6 * 7)'\n"
        "    job = bs.run(text, command_as_script=True, **more)\n"
        "    job.wait(); print(job.stdout(0), end='')"
    )
    person.file("setup.sh", "true\n")
    assert person.python(code) == "42\n42\n"


@row("Y:job_timeout", "Y:max_workers", "Y:wait_for_ready_cluster")
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
