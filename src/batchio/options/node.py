"""The rows of the option table about nodes, running, retries and place."""

from __future__ import annotations

from typing import Final

from batchio.core.traits import Trait
from batchio.options.schema import (
    CODE_ONLY,
    SUBMIT_ONLY,
    TYPED_ONLY,
    Option,
)


def _chosen(trait: Trait, local: str) -> dict[Trait, str]:
    """Return why no provider but one with `trait` honours an option.

    The first reason is this computer's, the other that of hosts which exist.
    """
    return {
        Trait.REMOTE: f"the {{provider}} provider {local}",
        trait: "the {provider} provider uses your hosts as they are",
    }


_NAMED_HOSTS: Final = {
    Trait.HOSTS: "the {provider} provider does not use hosts; leave out --provider to reach them "
    "over SSH"
}
_ONE_NODE: Final = {Trait.REMOTE: "everything runs on one node: this computer"}

_MACHINES: Final = (
    Option(
        name="max-workers",
        kind="integer",
        group="Machines",
        help="Maximum number of nodes, or on this computer of tasks at a time; -1 means no limit.",
        short="-N",
        minimum=-1,
        forbids={0: "with 0 workers no task would ever run; -1 means no limit"},
        spec="max_workers",
    ),
    Option(
        name="min-workers",
        kind="integer",
        group="Machines",
        help="Minimum number of nodes: wait for them, and fail the job if they are not available.",
        minimum=1,
        spec="min_workers",
    ),
    Option(
        name="slots",
        kind="integer",
        group="Machines",
        help="Number of tasks a node runs at a time (default: as many as its cores and memory "
        "allow).",
        minimum=1,
        spec="slots",
    ),
    Option(
        name="cpu",
        kind="cpu",
        group="Machines",
        help="CPU cores for each task: 4, or a range such as 4-8.",
    ),
    Option(
        name="memory",
        kind="size",
        group="Machines",
        help="Memory for each task: 8GiB, 32 GB, or a range such as 16GB-32GB.",
    ),
    Option(
        name="gpu",
        kind="flag",
        group="Machines",
        help="Each task needs a GPU.",
        default=False,
        needs={
            Trait.REMOTE: "tasks on this computer share the GPUs it has",
            Trait.GPUS: "the {provider} provider gives tasks no GPUs of their own",
        },
    ),
    Option(
        name="arm",
        kind="flag",
        group="Machines",
        help="The tasks need an ARM processor.",
        default=False,
        spec="arm",
    ),
    Option(
        name="vm-type",
        kind="words",
        group="Machines",
        help="Type of machine to rent; repeat it to give alternatives.",
        default=(),
        unit="TYPE",
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        requirement=True,
        spec="vm_types",
    ),
    Option(
        name="scheduler-vm-type",
        kind="words",
        group="Machines",
        help="Type of machine to rent for the head.",
        default=(),
        unit="TYPE",
        needs={Trait.HEADS: "the {provider} provider rents no machine for the head"},
    ),
    Option(
        name="disk-size",
        kind="disk",
        group="Machines",
        help="Disk size of each node; a plain number is in GiB.",
        needs=_chosen(Trait.RENTS, "has one disk: that of this computer"),
        spec="disk",
    ),
    Option(
        name="spot-policy",
        kind="choice",
        group="Machines",
        help="Whether nodes may be spot instances.",
        choices=("on-demand", "spot", "spot_with_fallback"),
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        spec="spot_policy",
    ),
    Option(
        name="max-cost",
        kind="dollars",
        group="Machines",
        help="Rent no more than this pays for, in US dollars, and stop the job when it is used up.",
        minimum=0.01,
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        spec="max_cost",
    ),
    Option(
        name="allow-cross-zone",
        kind="tri",
        group="Machines",
        help="Allow nodes in different availability zones.",
        needs=_chosen(Trait.REGIONS, "has one zone: this computer"),
        spec="cross_zone",
    ),
    Option(
        name="allow-ssh-from",
        kind="text",
        group="Machines",
        help="Address range that may connect by SSH, or: me, everyone.",
        unit="CIDR",
        needs=_chosen(Trait.RENTS, "opens no ports"),
        spec="allow_ssh_from",
    ),
    Option(
        name="image",
        kind="text",
        group="Machines",
        help="Machine image that rented nodes boot (default: Ubuntu 24.04).",
        unit="ID",
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        spec="image",
    ),
    Option(
        name="subnet",
        kind="text",
        group="Machines",
        help="The only subnet that rented nodes may be in (default: those of the account).",
        unit="ID",
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        spec="subnet",
    ),
    Option(
        name="instance-profile",
        kind="text",
        group="Machines",
        help="Instance profile of rented nodes, which lets tasks use the account's services.",
        unit="NAME",
        needs=_chosen(Trait.RENTS, "rents no machines: tasks run on this computer"),
        spec="profile",
    ),
    Option(
        name="host-setup-script",
        kind="path",
        group="Machines",
        help="Local script to run once on each node before any task.",
    ),
    Option(
        name="host-setup-script-content",
        kind="text",
        group="Machines",
        help="Like host_setup_script, but the text of the script itself.",
        surfaces=CODE_ONLY,
    ),
)

_RUNNING: Final = (
    Option(
        name="job-timeout",
        kind="duration",
        group="Running",
        help="Stop the job this long after its first node is ready (default: never).",
        minimum=0.001,
        spec="job_timeout",
    ),
    Option(
        name="task-timeout",
        kind="duration",
        group="Running",
        help="Stop a task that runs longer than this (default: never).",
        minimum=0.001,
        spec="task_timeout",
    ),
    Option(
        name="grace",
        kind="duration",
        group="Running",
        help="Time between SIGTERM and SIGKILL when a task is stopped.",
        default=10.0,
        minimum=0,
        spec="grace",
    ),
    Option(
        name="node-timeout",
        kind="duration",
        group="Running",
        help="Give up a node after it was unreachable for this long, and run its tasks elsewhere.",
        default=180.0,
        minimum=1,
        spec="node_timeout",
    ),
    Option(
        name="wait-for-ready-cluster",
        kind="flag",
        group="Running",
        help="Start tasks only when every node is ready.",
        default=False,
        spec="wait_for_ready",
    ),
    Option(
        name="task-on-scheduler",
        kind="tri",
        group="Running",
        help="Run the task with the lowest id on the scheduler node, the first one.",
        needs=_ONE_NODE,
        spec="task_on_scheduler",
    ),
    Option(
        name="scheduler-task-array",
        kind="array",
        group="Running",
        help="Run these tasks on the scheduler node, the first one.",
        needs=_ONE_NODE,
    ),
    Option(
        name="wait",
        kind="flag",
        group="Running",
        help="Wait for the job to end; the exit code says how it ended.",
        default=False,
        surfaces=SUBMIT_ONLY,
    ),
    Option(
        name="follow",
        kind="flag",
        group="Running",
        help="Show the output of the tasks live, and wait for the job to end.",
        default=False,
        short="-f",
        surfaces=SUBMIT_ONLY,
        commands=frozenset(("run", "logs")),
    ),
    Option(
        name="dashboard",
        kind="flag",
        group="Running",
        help="Show the job live in the whole terminal; leaving it ends nothing.",
        default=False,
        surfaces=TYPED_ONLY,
    ),
    Option(
        name="dry-run",
        kind="flag",
        group="Running",
        help="Show what would run, and where each option comes from, but run nothing.",
        default=False,
        surfaces=TYPED_ONLY,
    ),
)

_RETRIES: Final = (
    Option(
        name="max-retries",
        kind="integer",
        group="Retries",
        help="How many times to run a task again after its program failed.",
        default=0,
        minimum=0,
        spec="max_retries",
    ),
    Option(
        name="retry-on",
        kind="codes",
        group="Retries",
        help="Retry only for these exit codes or signals, such as 1,137,SIGTERM (default: all).",
        spec="retry_on",
    ),
    Option(
        name="retry-delay",
        kind="duration",
        group="Retries",
        help="Wait this long before the first retry, and twice as long before each next one.",
        default=1.0,
        minimum=0,
        spec="retry_delay",
    ),
    Option(
        name="max-infra-retries",
        kind="integer",
        group="Retries",
        help="How many times to run a task again after its node was lost.",
        default=5,
        minimum=0,
        spec="max_infra_retries",
    ),
)

_WHERE: Final = (
    Option(
        name="ignore",
        kind="words",
        group="Where",
        help="Treat these options as not given, wherever they stand: run without what cannot "
        "be had here; may be given several times.",
        default=(),
        unit="OPTION",
    ),
    Option(
        name="provider",
        kind="text",
        group="Where",
        help="Where to run: local (this computer), ssh or aws; --hosts alone means ssh.",
        default="local",
        unit="NAME",
    ),
    Option(
        name="hosts",
        kind="words",
        group="Where",
        help="Hosts for the ssh provider: user@host:port, or names from ~/.ssh/config.",
        default=(),
        unit="HOSTS",
        needs=_NAMED_HOSTS,
    ),
    Option(
        name="hosts-file",
        kind="path",
        group="Where",
        help="File with one host per line, for the ssh provider.",
        needs=_NAMED_HOSTS,
    ),
    Option(
        name="region",
        kind="words",
        group="Where",
        help="Cloud region in which to rent nodes; several are tried in this order.",
        default=(),
        unit="REGION",
        spec="regions",
        needs=_chosen(Trait.REGIONS, "has one region: this computer"),
    ),
    Option(
        name="workspace",
        kind="text",
        group="Where",
        help="Folder or URL (s3://, gs://, az://) where jobs are stored (default: your "
        "data folder).",
        unit="PLACE",
        aliases=("account",),
        commands=frozenset(("run", "status", "list", "wait", "logs", "cancel", "retry", "explain"))
        | {"recover", "ssh", "rm", "prune", "dashboard", "report"},
    ),
    Option(
        name="head",
        kind="choice",
        group="Where",
        help="Where the head runs: in a background process (local), in this process (inline), or "
        "on a host that SSH reaches ([USER@]HOST[:PORT]).",
        default="local",
        choices=("local", "inline"),
        others="HOST",
        spec="head",
    ),
)

NODE_OPTIONS: Final = (*_MACHINES, *_RUNNING, *_RETRIES, *_WHERE)
