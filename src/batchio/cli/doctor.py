"""Commands about a cloud account: whether it is ready for jobs, and what makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from batchio.cli import output
from batchio.cli.check import checked
from batchio.cli.options import command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorArgs:
    """Arguments of `batchio doctor`."""

    cloud: str
    format: Format
    typed: Mapping[str, Any]


def examine(args: DoctorArgs) -> int:
    """Check that a cloud account is ready for jobs, and say what is missing.

    Looks at the credentials, the clock of this computer, the rights, machines and quotas, and
    the workspace; nothing is rented. The exit code is 0 when nothing is missing, else 1.

    \b
      batchio doctor aws
      batchio doctor aws --spot-policy spot --region eu-west-1 --workspace s3://mine/batchio
    """
    return checked(("true",), {**args.typed, "provider": args.cloud}, args.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupArgs:
    """Arguments of `batchio setup`."""

    cloud: str
    bucket: str
    form: str


def print_setup(args: SetupArgs) -> int:
    """Print what makes a cloud account ready for jobs; nothing is applied.

    It makes a bucket for workspaces, whose files are deleted after 90 days, a policy for who
    leads jobs, and a role for nodes. With it only what batchio made can be ended. To apply it:
    aws cloudformation deploy --capabilities CAPABILITY_NAMED_IAM, or terraform apply.

    \b
      batchio setup aws --bucket my-batchio  > batchio.json
      batchio setup aws --bucket my-batchio --form terraform  > batchio.tf.json
    """
    from batchio import api

    for line in api.setup(args.cloud, args.form, args.bucket).splitlines():
        output.line(line)
    output.flush()
    return 0


doctor = command(
    "doctor",
    examine,
    DoctorArgs,
    click.Argument(["cloud"], metavar="CLOUD"),
    like="run",
    groups=("Machines", "Where", "Looking"),
)
setup = command(
    "setup",
    print_setup,
    SetupArgs,
    click.Argument(["cloud"], metavar="CLOUD"),
    click.Option(["--bucket"], required=True, metavar="NAME", help="Bucket for workspaces."),
    click.Option(
        ["--form"],
        default="cloudformation",
        type=click.Choice(("cloudformation", "terraform")),
        help="Tool that will apply it.",
    ),
)
