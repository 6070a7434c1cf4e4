"""What must be allowed in an account: to whoever leads jobs, and to the nodes. Pure."""

from __future__ import annotations

from typing import Any, Final

from batchio.providers.aws.tags import JOB

LOOKS: Final = (
    "ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplates", "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets",
    "iam:GetRole", "pricing:GetProducts", "servicequotas:GetServiceQuota", "ssm:GetParameter",
)  # fmt: skip
"""Actions that change nothing."""

MAKES: Final = (
    "ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:CreateSecurityGroup", "ec2:RunInstances",
)  # fmt: skip
"""Actions by which something comes to be, with our tags on it."""

CHANGES: Final = (
    "ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteLaunchTemplate", "ec2:DeleteSecurityGroup",
    "ec2:TerminateInstances",
)  # fmt: skip
"""Actions on what has our tags already."""

BUCKET: Final = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
BUCKET_ITSELF: Final = ("s3:GetBucketLocation", "s3:ListBucket")

ROLE: Final = "batchio-node"
"""Name of the role, and of the instance profile, that nodes may have."""

TAGS: Final = "ec2:CreateTags"

_OURS: Final = "batchio:*"
_SPOT: Final = {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}}


def leads(bucket: str) -> dict[str, Any]:
    """Return the policy of whoever leads jobs.

    Nothing may be ended, and no rule changed, but of what batchio made.
    """
    ours = {"Null": {f"aws:ResourceTag/{JOB}": "false"}}
    made_by = [one.partition(":")[2] for one in MAKES]
    return _policy(
        _allow("Look", LOOKS),
        _allow("Make", MAKES),
        _allow("TagWhatIsMade", (TAGS,), when={"StringEquals": {"ec2:CreateAction": made_by}}),
        _allow("Renew", (TAGS,), when=ours | {"ForAllValues:StringLike": {"aws:TagKeys": _OURS}}),
        _allow("ChangeWhatIsOurs", CHANGES, when=ours),
        _allow("NodesHaveTheRole", ("iam:PassRole",), f"arn:aws:iam::*:role/{ROLE}"),
        _allow("FirstSpot", ("iam:CreateServiceLinkedRole",), when=_SPOT),
        *_in_bucket(bucket),
    )


def runs(bucket: str) -> dict[str, Any]:
    """Return the policy of nodes: the bucket, and nothing else."""
    return _policy(*_in_bucket(bucket))


def _in_bucket(bucket: str) -> list[dict[str, Any]]:
    arn = f"arn:aws:s3:::{bucket}"
    return [_allow("Objects", BUCKET, f"{arn}/*"), _allow("Bucket", BUCKET_ITSELF, arn)]


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(
    name: str, actions: Any, resource: str = "*", when: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement if when is None else {**statement, "Condition": when}
