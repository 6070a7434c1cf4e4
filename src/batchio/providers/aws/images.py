"""The images that nodes boot: found by names that AWS keeps up to date."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import UsageError
from batchio.providers.aws.clients import ask, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

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


async def root_disk(ec2: Any, region: str, image: str, arch: str) -> str:
    """Return the name of an image's root disk.

    Args:
        arch: Processor of the machines that will boot it, as `uname -m` says it.

    Raises:
        UsageError: it is for another processor, or there is none; those of the account that come
            nearest are named.
        NotAuthorised, ProviderDown: AWS refused or did not answer.
    """
    try:
        found = await pages(ec2, "describe_images", "Images", ImageIds=[image])
        said = f"there is no image {image}"
    except UsageError as error:
        found, said = [], str(error)
    if found:
        _check_processor(found[0], region, arch)
        return str(found[0].get("RootDeviceName") or "/dev/sda1")
    ours = await pages(ec2, "describe_images", "Images", Owners=["self"])
    names = {one["ImageId"]: f"{one['ImageId']} ({one.get('Name') or '?'})" for one in ours}
    near = get_close_matches(image, names, n=3, cutoff=0.0)
    known = f"the nearest images of this account: {', '.join(names[name] for name in near)}"
    raise UsageError(
        said, where=region,
        hint=known if near else "this account has no images; without --image, Ubuntu is taken",
    )  # fmt: skip


def _check_processor(image: Mapping[str, Any], region: str, arch: str) -> None:
    there = {"arm64": "aarch64", "x86_64": "x86_64"}.get(image.get("Architecture", ""))
    if there and there != arch:
        raise UsageError(
            f"image {image['ImageId']} is for {there}, and the machines are {arch}", where=region,
            hint="name one for them, or types of machine for it: --arm, --vm-type",
        )  # fmt: skip
