"""The tags by which everything is found that was taken for a job. Pure."""

from __future__ import annotations

from typing import Any, Final

OWNER: Final = "batchio:owner"
JOB: Final = "batchio:job"
ORDER: Final = "batchio:order"
"""The token of the order that an instance was launched by."""
EXPIRES: Final = "batchio:expires"
"""When something is nobody's any more, in Unix seconds by AWS's clock; renewed while it is."""


def tag_list(**tags: str) -> list[dict[str, str]]:
    """Return tags as the SDK takes them; `owner`, `job`, `order` are ours, others stay as named."""
    keys = {"owner": OWNER, "job": JOB, "order": ORDER}
    return [{"Key": keys.get(name, name), "Value": value[:255]} for name, value in tags.items()]


def tag_filter(name: str, *values: str) -> dict[str, Any]:
    """Return a filter for what has this tag, with one of the values if any is given."""
    if not values:
        return {"Name": "tag-key", "Values": [name]}
    return {"Name": f"tag:{name}", "Values": list(values)}


def tags_of(item: dict[str, Any]) -> dict[str, str]:
    """Return the tags of something that the SDK describes."""
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
