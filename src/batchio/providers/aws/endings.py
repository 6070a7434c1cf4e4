"""Instances given back: what EC2 confirms to be ending, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.errors import BatchioError
from batchio.providers.aws.clients import ask
from batchio.providers.aws.errors import code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 100
"""Most instances of one call."""

ENDING: Final = frozenset(("shutting-down", "terminated"))

_ALONE: Final = frozenset(
    ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "OperationNotPermitted")
)
"""Codes by which one instance fails the whole call, and none is ended."""


async def terminate(ec2: Any, instances: Sequence[str]) -> tuple[set[str], set[str]]:
    """End instances; return those that EC2 says are ending, and those that it does not know.

    One that is protected is in neither.

    Raises:
        BatchioError: AWS refused or did not answer; some may be ending all the same.
    """
    ending: set[str] = set()
    unknown: set[str] = set()
    waiting = [list(instances[at : at + AT_ONCE]) for at in range(0, len(instances), AT_ONCE)]
    while waiting:
        group = waiting.pop()
        try:
            answer = await ask(ec2, "terminate_instances", InstanceIds=group)
        except BatchioError as error:
            code = code_of(error)[0]
            if code not in _ALONE:
                raise
            if len(group) > 1:
                waiting += [group[: len(group) // 2], group[len(group) // 2 :]]
            elif code != "OperationNotPermitted":
                unknown.update(group)
            continue
        for item in answer.get("TerminatingInstances", []):
            if item["CurrentState"]["Name"] in ENDING:
                ending.add(item["InstanceId"])
    return ending, unknown
