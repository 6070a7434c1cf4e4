"""What makes an account ready for jobs, printed and never applied: CloudFormation or Terraform.

Both are written as JSON, which CloudFormation and Terraform read as well as their own forms.
"""

from __future__ import annotations

import json
from typing import Any, Final

from batchio.errors import UsageError
from batchio.providers.aws import policies

KEPT_DAYS: Final = 90
"""Days after which what lies in the bucket is deleted."""

FORMS: Final = ("cloudformation", "terraform")

_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
"""Who may have the role of nodes: instances."""


def text(form: str, bucket: str) -> str:
    """Return the text for a tool.

    Raises:
        UsageError: there is no such form.
    """
    if form not in FORMS:
        raise UsageError(f"there is no form {form}", hint=f"forms are {', '.join(FORMS)}")
    made = _cloudformation(bucket) if form == "cloudformation" else _terraform(bucket)
    return json.dumps(made, indent=2) + "\n"


def _cloudformation(bucket: str) -> dict[str, Any]:
    def resource(kind: str, **properties: Any) -> dict[str, Any]:
        return {"Type": f"AWS::{kind}", "Properties": properties}

    rule = {"Id": "batchio", "Status": "Enabled", "ExpirationInDays": KEPT_DAYS}
    unfinished = {"DaysAfterInitiation": 7}
    parts = {"Id": "parts", "Status": "Enabled", "AbortIncompleteMultipartUpload": unfinished}
    node_policy = {"PolicyName": "bucket", "PolicyDocument": policies.runs(bucket)}
    kept = resource(
        "S3::Bucket",
        BucketName=bucket,
        LifecycleConfiguration={"Rules": [rule, parts]},
        PublicAccessBlockConfiguration=dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"),
            True,
        ),
    )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "For batchio: a bucket, a policy for who leads jobs, a role for nodes",
        "Resources": {
            "Workspace": {**kept, "DeletionPolicy": "Retain"},
            "Leads": resource(
                "IAM::ManagedPolicy",
                ManagedPolicyName="batchio",
                PolicyDocument=policies.leads(bucket),
            ),
            "Node": resource(
                "IAM::Role",
                RoleName=policies.ROLE,
                AssumeRolePolicyDocument=_TRUST,
                Policies=[node_policy],
            ),
            "NodeProfile": resource(
                "IAM::InstanceProfile",
                InstanceProfileName=policies.ROLE,
                Roles=[{"Ref": "Node"}],
            ),
        },
        "Outputs": {
            "Policy": {"Description": "Attach it to who leads jobs", "Value": {"Ref": "Leads"}}
        },
    }


def _terraform(bucket: str) -> dict[str, Any]:
    ours, role = "batchio", "${aws_iam_role.batchio_node.name}"
    rules = [
        {
            "id": "batchio", "status": "Enabled", "filter": {},
            "expiration": {"days": KEPT_DAYS},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        }
    ]  # fmt: skip
    closed = dict.fromkeys(
        ("block_public_acls", "block_public_policy", "ignore_public_acls",
         "restrict_public_buckets"), True,
    )  # fmt: skip
    kept = {"bucket": f"${{aws_s3_bucket.{ours}.id}}"}
    return {
        "resource": {
            "aws_s3_bucket": {ours: {"bucket": bucket}},
            "aws_s3_bucket_lifecycle_configuration": {ours: {**kept, "rule": rules}},
            "aws_s3_bucket_public_access_block": {ours: {**kept, **closed}},
            "aws_iam_policy": {
                ours: {"name": "batchio", "policy": _escaped(policies.leads(bucket))}
            },
            "aws_iam_role": {
                "batchio_node": {
                    "name": policies.ROLE, "assume_role_policy": json.dumps(_TRUST),
                }
            },
            "aws_iam_role_policy": {
                "batchio_node": {
                    "name": "bucket", "role": role, "policy": _escaped(policies.runs(bucket)),
                }
            },
            "aws_iam_instance_profile": {"batchio_node": {"name": policies.ROLE, "role": role}},
        },
        "output": {
            "policy": {
                "description": "Attach it to who leads jobs",
                "value": f"${{aws_iam_policy.{ours}.arn}}",
            }
        },
    }  # fmt: skip


def _escaped(policy: dict[str, Any]) -> str:
    """Return a policy as Terraform takes it in a string: without a template in it."""
    return json.dumps(policy).replace("${", "$${").replace("%{", "%%{")
