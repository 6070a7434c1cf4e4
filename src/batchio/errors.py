"""Every error batchio raises on purpose.

BatchioError
├── UsageError            what was asked cannot be done as written; exit code 2
├── IllegalEvent          the journal and the machine disagree (a bug)
├── JobFailed             a job ended otherwise than succeeded, and the caller asked
│                         to be told by an exception
├── WorkspaceError        the workspace cannot be used
│   ├── NoAccess          there is no such place, or it may not be used
│   ├── NoSuchJob         no job has that id, prefix or name
│   ├── JournalCorrupt    a journal cannot be read; it is named, never skipped
│   ├── JournalFull       the disk (or quota) under the journal is full
│   ├── JobMoved          it was moved or deleted while its head ran
│   ├── JournalDown       the store does not answer; ask again
│   ├── LeaseHeld         another head runs this job
│   └── HeadGone          nobody runs this job, and it is not done
├── NodeError             a node cannot be used; `where` names it
│   ├── Unreachable       no answer, or the connection broke; may heal
│   ├── NotAuthorised     a key, host key or user was refused; asking again is no use
│   ├── Unfit             the node lacks something a task needs (python3, a container engine)
│   ├── ProtocolError     what the agent sends is not what agents of ours send
│   └── SetupFailed       the host setup script failed
└── ProviderError         a provider said no
    ├── NoCapacity        none left here; another offer may do
    ├── QuotaExceeded     the account is full; the hint names the quota
    └── ProviderDown      throttled or failing; wait and ask again

Each class has a stable `code`, its exit code of the command line, and its remedy: what may
be done about it by whoever called.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from batchio.core.result import Result


class Remedy(StrEnum):
    """The remedy of a failed call: what to do about it.

    OTHER and FIX are refusals: what was asked for was not done, for certain. After AGAIN
    and NEVER nobody knows.
    """

    AGAIN = "again"
    """Ask again with the same arguments: the trouble may pass."""
    OTHER = "other"
    """This offer or node cannot do it; another one may."""
    FIX = "fix"
    """A person has to change something first."""
    NEVER = "never"
    """A bug, or a record that cannot be read: nothing helps but a look at it."""


def remedy_of(error: BaseException) -> Remedy:
    """Return the remedy of an error; for one that is not batchio's, AGAIN.

    What an adapter's libraries raise says too little to give up on: time-outs, broken
    connections, answers that nobody foresaw.
    """
    return error.remedy if isinstance(error, BatchioError) else Remedy.AGAIN


class BatchioError(Exception):
    """The base of every error of batchio.

    `where` is the place of the mistake (`hello.sh:3`, a host name); `hint` is one
    line that says what to do.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3
    remedy: ClassVar[Remedy] = Remedy.NEVER

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class BatchioWarning(UserWarning):
    """Something that a caller in Python should know, and that stops nothing."""


class UsageError(BatchioError):
    """A request cannot be carried out as it was written."""

    code = "usage"
    exit_code = 2
    remedy = Remedy.FIX


class IllegalEvent(BatchioError):
    """An event reached an entity whose state does not allow it."""

    code = "illegal-event"


class JobFailed(BatchioError):
    """A job ended otherwise than succeeded, and the caller asked to be told by an exception.

    Attributes:
        job: The job that was waited for: a `batchio.Job`, or a `batchio.sync.Job`.
        result: Its result, with its tasks.
        failed: Ids of the tasks that ended badly, in order; those cancelled are none of them.
    """

    code = "job-failed"
    exit_code = 1
    job: Any
    result: Result
    failed: tuple[int, ...] = ()


class WorkspaceError(BatchioError):
    """The workspace cannot be used."""

    code = "workspace"
    remedy = Remedy.FIX


class NoAccess(WorkspaceError):
    """There is no such workspace, or not all that is needed may be done there."""

    code = "no-access"
    exit_code = 2


class NoSuchJob(WorkspaceError):
    """There is no job of that id, prefix or name, or more than one."""

    code = "no-such-job"
    exit_code = 2


class JournalCorrupt(WorkspaceError):
    """A journal cannot be read."""

    code = "journal-corrupt"
    remedy = Remedy.NEVER


class JournalFull(WorkspaceError):
    """There is no room left for the journal."""

    code = "journal-full"


class JobMoved(WorkspaceError):
    """What is kept of the job was moved or deleted while its head ran."""

    code = "job-moved"


class JournalDown(WorkspaceError):
    """The store does not answer, and nobody knows what became of a write; asking again is safe."""

    code = "journal-down"


class LeaseHeld(WorkspaceError):
    """Another head runs this job."""

    code = "lease-held"
    remedy = Remedy.OTHER


class HeadGone(WorkspaceError):
    """Nobody runs this job, and it is not done."""

    code = "head-gone"


class NodeError(BatchioError):
    """A node cannot be used; `where` names it."""

    code = "node"
    remedy = Remedy.OTHER


class Unreachable(NodeError):
    """A node does not answer, or its connection broke; it may recover."""

    code = "unreachable"
    remedy = Remedy.AGAIN


class NotAuthorised(NodeError):
    """A node refused a key, a host key or a user. Asking again is no use."""

    code = "not-authorised"
    remedy = Remedy.FIX


class Unfit(NodeError):
    """A node lacks something that a task needs."""

    code = "unfit"


class ProtocolError(NodeError):
    """What an agent sends is not what agents of ours send."""

    code = "protocol"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(
            f"its agent does not speak our protocol: {message}", where=where, hint=hint
        )


class SetupFailed(NodeError):
    """The host setup script failed on a node."""

    code = "setup-failed"


class ProviderError(BatchioError):
    """A provider refused or failed."""

    code = "provider"
    remedy = Remedy.AGAIN


class NoCapacity(ProviderError):
    """The provider has no such node left; another offer may."""

    code = "no-capacity"
    remedy = Remedy.OTHER


class QuotaExceeded(ProviderError):
    """The account's quota is used up; no retry helps."""

    code = "quota-exceeded"
    remedy = Remedy.FIX


class ProviderDown(ProviderError):
    """The provider throttles or fails; wait and ask again."""

    code = "provider-down"
