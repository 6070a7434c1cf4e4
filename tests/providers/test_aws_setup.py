"""What `batchio setup aws` prints: enough for all that is asked of AWS, and not too much."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from batchio.errors import UsageError
from batchio.providers.aws import policies, setup
from tests.house.source import PACKAGE

_VERB: Final = re.compile(
    r'"((?:describe|create|delete|run|terminate|authorize|get)_[a-z_]+)"(?=[,:)\s])'
)
_SERVICES: Final = {
    "get_parameter": "ssm", "get_products": "pricing", "get_service_quota": "servicequotas",
    "get_role": "iam", "get_bucket_location": "s3",
}  # fmt: skip
_FREE: Final = frozenset(
    (
        "get_caller_identity",
        "get_credentials",
        "get_config_variable",
        "get_session",
        "create_client",
    )
)
"""Verbs that need no right, or ask nobody."""


def asked() -> set[str]:
    """Every action that the provider asks for."""
    verbs = {
        verb
        for path in (PACKAGE / "providers/aws").glob("*.py")
        for verb in _VERB.findall(path.read_text())
    }
    named = {verb: "".join(part.capitalize() for part in verb.split("_")) for verb in verbs - _FREE}
    return {f"{_SERVICES.get(verb, 'ec2')}:{name}" for verb, name in named.items()}


def allowed(policy: dict[str, Any]) -> set[str]:
    return {action for one in policy["Statement"] for action in one["Action"]}


def test_the_policy_allows_every_action_that_is_asked_for() -> None:
    found = asked()

    assert {"ec2:CreateFleet", "ec2:TerminateInstances", "ssm:GetParameter"} <= found
    assert found <= allowed(policies.leads("b"))


def test_nothing_is_ended_or_changed_but_what_has_our_tag() -> None:
    for one in policies.leads("b")["Statement"]:
        if any("Terminate" in action or "Delete" in action for action in one["Action"]):
            ours = one.get("Condition") == {"Null": {"aws:ResourceTag/batchio:job": "false"}}
            assert ours or one["Resource"] == "arn:aws:s3:::b/*"


def test_nodes_may_use_the_bucket_and_nothing_else() -> None:
    assert all("arn:aws:s3:::b" in one["Resource"] for one in policies.runs("b")["Statement"])


@pytest.mark.parametrize("form", setup.FORMS)
def test_what_is_printed_is_json_with_the_same_policies(form: str) -> None:
    made = json.loads(setup.text(form, "my-bucket"))
    texts = json.dumps(made).replace('\\"', '"')

    assert json.dumps(policies.leads("my-bucket")) in texts
    assert json.dumps(policies.runs("my-bucket")) in texts
    assert "my-bucket" in texts
    assert f'ays": {setup.KEPT_DAYS}' in texts


def test_another_form_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no form pulumi"):
        setup.text("pulumi", "b")
