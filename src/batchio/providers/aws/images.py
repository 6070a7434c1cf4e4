"""The images that nodes boot: found by names that AWS keeps up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.errors import UsageError
from batchio.providers.aws.clients import ask

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec
    from batchio.providers.aws.clients import Clients


class Named(NamedTuple):
    """An image by the name of the parameter that holds its id, and the user to log in as."""

    parameter: str
    user: str


_UBUNTU: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
_ECS: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2023/{}recommended/image_id"
_GPU: Final = (
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
)

PLAIN: Final = {
    "x86_64": Named(_UBUNTU.format("amd64"), "ubuntu"),
    "aarch64": Named(_UBUNTU.format("arm64"), "ubuntu"),
}
CONTAINERS: Final = {
    "x86_64": Named(_ECS.format(""), "ec2-user"),
    "aarch64": Named(_ECS.format("arm64/"), "ec2-user"),
}
GPUS: Final = {"x86_64": Named(_GPU, "ubuntu")}


def named(spec: JobSpec, arch: str) -> Named:
    """Return the image for a job's nodes of an architecture: with what its tasks need in it.

    Raises:
        UsageError: there is none.
    """
    table = GPUS if spec.gpu else CONTAINERS if spec.container else PLAIN
    if arch not in table:
        raise UsageError(f"no image with GPU drivers is known for {arch}", hint="leave out --arm")
    return table[arch]


async def image_id(clients: Clients, region: str, image: Named) -> str:
    """Return the id of an image in a region, as it is today.

    Raises:
        BatchioError: it cannot be found out.
    """
    ssm = await clients.get("ssm", region)
    answer = await ask(ssm, "get_parameter", Name=image.parameter)
    return str(answer["Parameter"]["Value"])
