"""The rows of the option table about the job: tasks, software, variables, files."""

from __future__ import annotations

from typing import Final

from batchio.core.sizes import GIB
from batchio.core.traits import Trait
from batchio.options.schema import CODE_ONLY, NOT_ENV, Option

_NO_CONDA: Final = "only what is installed travels; install them into your environment"
_NEEDS: Final = {Trait.REMOTE: "tasks on this computer use your Python where it is"}

_TASKS: Final = (
    Option(
        name="ntasks",
        kind="integer",
        group="Tasks",
        help="Number of tasks to run; their ids are 0 to N-1 (default: 1).",
        aliases=("n-tasks",),
        minimum=1,
    ),
    Option(
        name="array",
        kind="array",
        group="Tasks",
        help="Run tasks with these ids: 5, 2,4-6,8-10 or 0-10:2; a %K at the end runs at most K "
        "at a time.",
    ),
    Option(
        name="map-over-values",
        kind="values",
        group="Tasks",
        help="Run one task for each of these values, split at commas.",
        unit="VALUES",
    ),
    Option(
        name="map-over-file",
        kind="path",
        group="Tasks",
        help="Run one task for each line of this file; - means standard input.",
    ),
    Option(
        name="map-over-format",
        kind="choice",
        group="Tasks",
        help="How to read the file of --map-over-file: as lines, as CSV or JSONL whose "
        "columns become variables, or as a JSON array (default: by its extension).",
        choices=("lines", "csv", "jsonl", "json"),
    ),
    Option(
        name="map-over-input-var",
        kind="variable",
        group="Tasks",
        help="Environment variable that also holds the value of the task "
        "(default: BATCHIO_TASK_INPUT alone).",
        spec="input_var",
    ),
    Option(
        name="map-over-delimiter",
        kind="delimiter",
        group="Tasks",
        help="Separator between the values of --map-over-values (default: a comma) or of "
        "--map-over-file (default: the end of the line).",
    ),
    Option(
        name="map-over-task-var-dicts",
        kind="object",
        group="Tasks",
        help="A list of dictionaries, one per task: its environment variables.",
        annotation="Iterable[Mapping[str, object]]",
        surfaces=CODE_ONLY,
    ),
    Option(
        name="name",
        kind="text",
        group="Tasks",
        help="A name for the job (default: made from the command).",
        surfaces=NOT_ENV,
    ),
    Option(
        name="tag",
        kind="pairs",
        group="Tasks",
        help="A tag for the job and its nodes; can be repeated.",
        short="-t",
        aliases=("tags",),
        surfaces=NOT_ENV,
        spec="tags",
    ),
    Option(
        name="shell",
        kind="flag",
        group="Tasks",
        help="Run the command, as one string, with /bin/sh.",
        default=False,
    ),
    Option(
        name="command-as-script",
        kind="flag",
        group="Tasks",
        help="The command is the text of a script: send it as a file and run it.",
        default=False,
        surfaces=CODE_ONLY,
    ),
)

_SOFTWARE: Final = (
    Option(
        name="container",
        kind="text",
        group="Software",
        help="Container image in which to run the tasks; the nodes need podman or docker.",
        unit="IMAGE",
    ),
    Option(
        name="ignore-container-entrypoint",
        kind="tri",
        group="Software",
        help="Ignore the entrypoint of the container image.",
        boolean_word=True,
        spec="ignore_entrypoint",
    ),
    Option(
        name="run-on-host",
        kind="tri",
        group="Software",
        help="Run tasks directly on the node, not in a container.",
        boolean_word=True,
        spec="run_on_host",
    ),
    Option(
        name="python",
        kind="text",
        group="Software",
        help="The interpreter for .py scripts (default: that of the environment you are in); "
        "on other computers one that is there, and no packages are sent.",
        unit="PATH",
    ),
    Option(
        name="software",
        kind="text",
        group="Software",
        help="The environment of the tasks, made by uv: its name (batchio env create), or a "
        "pylock.toml, uv.lock, pyproject.toml, requirements.txt or script that says what is in it.",
        unit="NAME|FILE",
    ),
    Option(
        name="package-sync",
        kind="tri",
        group="Software",
        help="Send the Python environment that you are in to other computers (default: where "
        "the command runs Python).",
    ),
    Option(
        name="keep-software",
        kind="flag",
        group="Software",
        help="Let other computers keep the packages that were sent, for the next job.",
        default=True,
        spec="keep_software",
    ),
    Option(
        name="package-sync-strict",
        kind="flag",
        group="Software",
        help="Leave out hosts that cannot have the exact package versions of this computer.",
        default=False,
        spec="package_sync_strict",
        needs=_NEEDS,
    ),
    Option(
        name="package-sync-conda-extras",
        kind="words",
        group="Software",
        help="Conda packages to add to the environment of the tasks.",
        default=(),
        unit="NAMES",
        never=_NO_CONDA,
    ),
    Option(
        name="package-sync-ignore",
        kind="words",
        group="Software",
        help="Packages to leave out of the environment of the tasks.",
        default=(),
        unit="NAMES",
        needs=_NEEDS,
    ),
    Option(
        name="dask-container",
        kind="text",
        group="Software",
        help="Container image for a Dask cluster next to the tasks.",
        unit="IMAGE",
        never="batchio does not start Dask",
    ),
    Option(
        name="scheduler-sidecar-spec",
        kind="path",
        group="Software",
        help="File (YAML or JSON) that describes programs to run next to the head.",
        never="programs next to the head are not supported",
        requirement=True,
    ),
    Option(
        name="cluster-kwargs",
        kind="object",
        group="Software",
        help="Arguments for the Dask cluster of Coiled.",
        annotation="Mapping[str, object]",
        surfaces=CODE_ONLY,
        never="there is no Dask cluster",
    ),
)

_ENVIRONMENT: Final = (
    Option(
        name="env",
        kind="pairs",
        group="Environment",
        help="Environment variable for the tasks; KEY alone copies yours; can be repeated.",
        short="-e",
        surfaces=NOT_ENV,
    ),
    Option(
        name="env-file",
        kind="paths",
        group="Environment",
        help="A .env file of variables for the tasks, or the output of export -p; --env overrides "
        "it; can be repeated, later files override earlier ones.",
        default=(),
    ),
    Option(
        name="secret-env",
        kind="pairs",
        group="Environment",
        help="Like --env, for secrets: batchio never writes them to disk or to a command line.",
        surfaces=NOT_ENV,
    ),
    Option(
        name="secret-env-file",
        kind="paths",
        group="Environment",
        help="Like --env-file, for secrets.",
        default=(),
    ),
    Option(
        name="forward-aws-credentials",
        kind="flag",
        group="Environment",
        help="Give the tasks a temporary token for your AWS credentials.",
        default=False,
        needs={
            Trait.REMOTE: "tasks on this computer can read its AWS configuration",
            Trait.RENTS: "batchio makes no tokens for {provider} hosts; use --secret-env",
        },
    ),
)

_FILES: Final = (
    Option(
        name="upload",
        kind="paths",
        group="Files",
        help="File or folder to copy into the working directory of every task, at the same "
        "relative path, or under its base name from outside the current folder; of FOLDER/ "
        "only what is in it; may be given several times.",
        default=(),
        kwarg="local_upload_path",
    ),
    Option(
        name="download",
        kind="path",
        group="Files",
        help="Local folder for the output files of the tasks, with one subfolder per task.",
        kwarg="local_download_path",
        commands=frozenset(("run", "wait")),
    ),
    Option(
        name="download-clean",
        kind="flag",
        group="Files",
        help="First remove the output files of earlier jobs from that folder; your own files stay.",
        default=False,
        commands=frozenset(("run", "wait")),
    ),
    Option(
        name="max-output",
        kind="disk",
        group="Files",
        help="Limit for the output files of a task; a task with more fails.",
        default=100 * GIB,
        spec="max_output",
    ),
    Option(
        name="sync",
        kind="path",
        group="Files",
        help="Folder whose files go into the working directory of every task; what tasks make or "
        "change comes back to the same place in it when all are done.",
        kwarg="local_sync_path",
    ),
    Option(
        name="pipe-to-files",
        kind="flag",
        group="Files",
        help="Also save the stdout and stderr of each task as output files.",
        default=False,
        spec="pipe_to_files",
    ),
    Option(
        name="implicit-upload",
        kind="tri",
        group="Files",
        help="Send, with the script, the files that its command line names and the modules "
        "beside it that it imports (default: yes).",
        default=True,
        aliases=("implicit-file-upload",),
    ),
    Option(
        name="buffers-to-upload",
        kind="object",
        group="Files",
        help='A list of {"relative_path": ..., "buffer": BytesIO}: files to send.',
        annotation="Iterable[Mapping[str, object]]",
        surfaces=CODE_ONLY,
    ),
    Option(
        name="input-filestore",
        kind="text",
        group="Files",
        help="Bucket (s3://, gs://, az://) or shared folder (file://) from which the nodes "
        "fetch the uploaded files, rather than through this computer.",
        unit="URL",
        needs={Trait.REMOTE: "the files are already on this computer"},
    ),
    Option(
        name="output-filestore",
        kind="text",
        group="Files",
        help="Bucket (s3://, gs://, az://) or folder (file://) for the files that the tasks "
        "leave: each goes to URL/JOB/TASK/PATH, straight from its node.",
        unit="URL",
    ),
    Option(
        name="keep-on-host",
        kind="flag",
        group="Files",
        help="Keep the working directories of the tasks on the nodes.",
        default=False,
        spec="keep_on_host",
    ),
)

JOB_OPTIONS: Final = (*_TASKS, *_SOFTWARE, *_ENVIRONMENT, *_FILES)
