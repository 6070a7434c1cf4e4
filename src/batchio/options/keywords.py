"""The keyword arguments of `run` and `plan`, for editors and type checkers (PEP 692).

Written by make docs; change the rows of `options.table`, not this file. Imported by no program
that runs. To hand the arguments on through a function of yours:

    def submit(**options: Unpack[RunOptions]) -> Job: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from logging import Logger
    from os import PathLike

PathText: TypeAlias = "str | PathLike[str]"
Amount: TypeAlias = "str | float"
"""Text with a unit ("8GiB", "10m"), or a number of the option's unit."""


class RunOptions(TypedDict, total=False):
    """Every option as a keyword argument; None is as good as not given."""

    ntasks: int | None
    """Number of tasks to run; their ids are 0 to N-1 (default: 1)."""
    n_tasks: int | None
    array: int | str | Iterable[int] | None
    """Run tasks with these ids: 5, 2,4-6,8-10 or 0-10:2; a %K at the end runs at most K at a
    time."""
    map_over_values: str | Iterable[object] | None
    """Run one task for each of these values, split at commas."""
    map_over_file: PathText | None
    """Run one task for each line of this file; - means standard input."""
    map_over_format: Literal["lines", "csv", "jsonl", "json"] | None
    """How to read the file of --map-over-file: as lines, as CSV or JSONL whose columns become
    variables, or as a JSON array (default: by its extension)."""
    map_over_input_var: str | None
    """Environment variable that also holds the value of the task (default: BATCHIO_TASK_INPUT
    alone)."""
    map_over_delimiter: str | None
    """Separator between the values of --map-over-values (default: a comma) or of
    --map-over-file (default: the end of the line)."""
    map_over_task_var_dicts: Iterable[Mapping[str, object]] | None
    """A list of dictionaries, one per task: its environment variables."""
    name: PathText | None
    """A name for the job (default: made from the command)."""
    tag: Mapping[str, object] | Iterable[str] | str | None
    """A tag for the job and its nodes; can be repeated."""
    tags: Mapping[str, object] | Iterable[str] | str | None
    shell: bool | None
    """Run the command, as one string, with /bin/sh."""
    command_as_script: bool | None
    """The command is the text of a script: send it as a file and run it."""
    max_workers: int | None
    """Maximum number of nodes, or on this computer of tasks at a time; -1 means no limit."""
    min_workers: int | None
    """Minimum number of nodes: wait for them, and fail the job if they are not available."""
    slots: int | None
    """Number of tasks a node runs at a time (default: as many as its cores and memory
    allow)."""
    cpu: Amount | Sequence[Amount] | None
    """CPU cores for each task: 4, or a range such as 4-8."""
    memory: Amount | Sequence[Amount] | None
    """Memory for each task: 8GiB, 32 GB, or a range such as 16GB-32GB."""
    gpu: bool | None
    """Each task needs a GPU."""
    arm: bool | None
    """The tasks need an ARM processor."""
    vm_type: str | Iterable[str] | None
    """Type of machine to rent; repeat it to give alternatives."""
    scheduler_vm_type: str | Iterable[str] | None
    """Type of machine to rent for the head."""
    disk_size: Amount | None
    """Disk size of each node; a plain number is in GiB."""
    spot_policy: Literal["on-demand", "spot", "spot_with_fallback"] | None
    """Whether nodes may be spot instances."""
    max_cost: Amount | None
    """Rent no more than this pays for, in US dollars, and stop the job when it is used up."""
    allow_cross_zone: bool | None
    """Allow nodes in different availability zones."""
    allow_ssh_from: PathText | None
    """Address range that may connect by SSH, or: me, everyone."""
    image: PathText | None
    """Machine image that rented nodes boot (default: Ubuntu 24.04)."""
    subnet: PathText | None
    """The only subnet that rented nodes may be in (default: those of the account)."""
    instance_profile: PathText | None
    """Instance profile of rented nodes, which lets tasks use the account's services."""
    host_setup_script: PathText | None
    """Local script to run once on each node before any task."""
    host_setup_script_content: PathText | None
    """Like host_setup_script, but the text of the script itself."""
    container: PathText | None
    """Container image in which to run the tasks; the nodes need podman or docker."""
    ignore_container_entrypoint: bool | None
    """Ignore the entrypoint of the container image."""
    run_on_host: bool | None
    """Run tasks directly on the node, not in a container."""
    python: PathText | None
    """The interpreter for .py scripts (default: that of the environment you are in); on other
    computers one that is there, and no packages are sent."""
    software: PathText | None
    """The environment of the tasks, made by uv: its name (batchio env create), or a
    pylock.toml, uv.lock, pyproject.toml, requirements.txt or script that says what is in it."""
    package_sync: bool | None
    """Send the Python environment that you are in to other computers (default: where the
    command runs Python)."""
    keep_software: bool | None
    """Let other computers keep the packages that were sent, for the next job."""
    package_sync_strict: bool | None
    """Leave out hosts that cannot have the exact package versions of this computer."""
    package_sync_conda_extras: str | Iterable[str] | None
    """Conda packages to add to the environment of the tasks."""
    package_sync_ignore: str | Iterable[str] | None
    """Packages to leave out of the environment of the tasks."""
    dask_container: PathText | None
    """Container image for a Dask cluster next to the tasks."""
    scheduler_sidecar_spec: PathText | None
    """File (YAML or JSON) that describes programs to run next to the head."""
    cluster_kwargs: Mapping[str, object] | None
    """Arguments for the Dask cluster of Coiled."""
    env: Mapping[str, object] | Iterable[str] | str | None
    """Environment variable for the tasks; KEY alone copies yours; can be repeated."""
    env_file: PathText | Iterable[PathText] | None
    """A .env file of variables for the tasks, or the output of export -p; --env overrides it;
    can be repeated, later files override earlier ones."""
    secret_env: Mapping[str, object] | Iterable[str] | str | None
    """Like --env, for secrets: batchio never writes them to disk or to a command line."""
    secret_env_file: PathText | Iterable[PathText] | None
    """Like --env-file, for secrets."""
    forward_aws_credentials: bool | None
    """Give the tasks a temporary token for your AWS credentials."""
    local_upload_path: PathText | Iterable[PathText] | None
    """File or folder to copy into the working directory of every task, at the same relative
    path, or under its base name from outside the current folder; of FOLDER/ only what is in it;
    may be given several times."""
    upload: PathText | Iterable[PathText] | None
    local_download_path: PathText | None
    """Local folder for the output files of the tasks, with one subfolder per task."""
    download: PathText | None
    download_clean: bool | None
    """First remove the output files of earlier jobs from that folder; your own files stay."""
    max_output: Amount | None
    """Limit for the output files of a task; a task with more fails."""
    local_sync_path: PathText | None
    """Folder whose files go into the working directory of every task; what tasks make or change
    comes back to the same place in it when all are done."""
    sync: PathText | None
    pipe_to_files: bool | None
    """Also save the stdout and stderr of each task as output files."""
    implicit_upload: bool | None
    """Send, with the script, the files that its command line names and the modules beside it
    that it imports (default: yes)."""
    implicit_file_upload: bool | None
    buffers_to_upload: Iterable[Mapping[str, object]] | None
    """A list of {"relative_path": ..., "buffer": BytesIO}: files to send."""
    input_filestore: PathText | None
    """Bucket (s3://, gs://, az://) or shared folder (file://) from which the nodes fetch the
    uploaded files, rather than through this computer."""
    output_filestore: PathText | None
    """Bucket (s3://, gs://, az://) or folder (file://) for the files that the tasks leave: each
    goes to URL/JOB/TASK/PATH, straight from its node."""
    keep_on_host: bool | None
    """Keep the working directories of the tasks on the nodes."""
    job_timeout: Amount | timedelta | None
    """Stop the job this long after its first node is ready (default: never)."""
    task_timeout: Amount | timedelta | None
    """Stop a task that runs longer than this (default: never)."""
    grace: Amount | timedelta | None
    """Time between SIGTERM and SIGKILL when a task is stopped."""
    node_timeout: Amount | timedelta | None
    """Give up a node after it was unreachable for this long, and run its tasks elsewhere."""
    wait_for_ready_cluster: bool | None
    """Start tasks only when every node is ready."""
    task_on_scheduler: bool | None
    """Run the task with the lowest id on the scheduler node, the first one."""
    scheduler_task_array: int | str | Iterable[int] | None
    """Run these tasks on the scheduler node, the first one."""
    max_retries: int | None
    """How many times to run a task again after its program failed."""
    retry_on: int | str | Iterable[int | str | tuple[int, int]] | None
    """Retry only for these exit codes or signals, such as 1,137,SIGTERM (default: all)."""
    retry_delay: Amount | timedelta | None
    """Wait this long before the first retry, and twice as long before each next one."""
    max_infra_retries: int | None
    """How many times to run a task again after its node was lost."""
    ignore: str | Iterable[str] | None
    """Treat these options as not given, wherever they stand: run without what cannot be had
    here; may be given several times."""
    provider: PathText | None
    """Where to run: local (this computer), ssh or aws; --hosts alone means ssh."""
    hosts: str | Iterable[str] | None
    """Hosts for the ssh provider: user@host:port, or names from ~/.ssh/config."""
    hosts_file: PathText | None
    """File with one host per line, for the ssh provider."""
    region: str | Iterable[str] | None
    """Cloud region in which to rent nodes; several are tried in this order."""
    workspace: PathText | None
    """Folder or URL (s3://, gs://, az://) where jobs are stored (default: your data folder)."""
    account: PathText | None
    head: str | None
    """Where the head runs: in a background process (local), in this process (inline), or on a
    host that SSH reaches ([USER@]HOST[:PORT])."""
    logger: Logger | None
    """A logging.Logger that gets the messages the command line prints."""
