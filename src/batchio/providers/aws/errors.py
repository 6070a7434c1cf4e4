"""What AWS answers when it refuses, as errors with a remedy. Pure.

Source of the codes: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
"""

from __future__ import annotations

from typing import Any, Final

from batchio.errors import (
    BatchioError,
    NoCapacity,
    NotAuthorised,
    ProviderDown,
    QuotaExceeded,
    UsageError,
)

_CAPACITY: Final = frozenset(
    (
        "InsufficientInstanceCapacity", "InsufficientCapacity", "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity", "InsufficientFreeAddressesInSubnet",
        "UnfulfillableCapacity", "Unsupported", "SpotMaxPriceTooLow",
    )
)  # fmt: skip

_QUOTA: Final = frozenset(
    (
        "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "InstanceLimitExceeded",
        "MaxSpotFleetRequestCountExceeded", "FleetLimitExceeded",
    )
)  # fmt: skip

_ACCESS: Final = frozenset(
    (
        "UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "OptInRequired",
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted", "PendingVerification", "Blocked",
    )
)  # fmt: skip

_RENEW: Final = frozenset(
    (
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId",
        "AuthFailure", "UnrecognizedClientException", "SignatureDoesNotMatch",
    )
)  # fmt: skip
"""Trouble with credentials, which can be renewed while the job runs."""

_OURS: Final = ("InvalidLaunchTemplate", "InvalidGroup.NotFound", "InvalidInstanceID.NotFound")
"""How codes begin that tell of something which was made a moment ago, and is not known yet."""

_WRONG: Final = ("Invalid", "Missing", "Malformed", "Unknown", "VPCIdNotSpecified")
"""How codes begin that say that the request makes no sense."""

QUOTAS: Final = "https://console.aws.amazon.com/servicequotas/"

SPOT_ROLE: Final = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"


def code_of(error: BaseException) -> tuple[str, str]:
    """Return code and words of AWS's answer to what failed, each "" when it gave none.

    Args:
        error: Of the SDK, or made of such a one.
    """
    said = answer_of(error).get("Error", {})
    return str(said.get("Code") or ""), str(said.get("Message") or "")


def answer_of(error: BaseException) -> dict[str, Any]:
    """Return AWS's whole answer to what failed, with its headers; {} when it gave none."""
    answer: Any = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return answer if isinstance(answer, dict) else {}


def refusal(code: str, words: str, where: str | None = None) -> BatchioError:
    """Return the error for a code of AWS: its class says what helps.

    Args:
        code: Such as "VcpuLimitExceeded".
        words: AWS's own words.
        where: The pool or region that it is about.
    """
    said = f"{code}: {words}" if words else code
    if code in _CAPACITY:
        return NoCapacity(said, where=where)
    if code in _QUOTA:
        return QuotaExceeded(said, where=where, hint=f"ask for more: {QUOTAS}")
    if code in _ACCESS:
        spot = "ServiceLinkedRole" in code or "service-linked role" in words
        hint = SPOT_ROLE if spot else "see `batchio check` for the rights that are missing"
        return NotAuthorised(said, where=where, hint=hint)
    if code in _RENEW:
        return ProviderDown(said, where=where, hint="renew the AWS credentials of this computer")
    if code.startswith(_WRONG) and not code.startswith(_OURS):
        return UsageError(said, where=where)
    return ProviderDown(said, where=where)


def translated(error: BaseException, where: str | None = None) -> BatchioError:
    """Return an error of the SDK as one of batchio's; what nobody foresaw may pass by itself."""
    if isinstance(error, BatchioError):
        return error
    code, words = code_of(error)
    if code:
        return refusal(code, words, where)
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        hint = (
            "aws configure, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; after `aws "
            "login`: credential_process = aws configure export-credentials --format process"
        )
        return UsageError(f"there are no AWS credentials here: {error}", hint=hint)
    return ProviderDown(f"{name}: {error}", where=where)
