"""What batchio needs from the outside world, one Protocol for each need: its ports.

Adapters implement these, the runtime calls them, fakes in `batchio.testing` pass the same
contract suites.

    time   the clock            reach   transports to nodes     rent      providers of nodes
    keep   workspace, jobs      blobs   file stores             outputs   what came back
    logs   of nodes             journal   events of a job
"""

from batchio.ports.blobs import FileStore, ObjectStore, PieceStore, Stored, Stores
from batchio.ports.journal import Journal, JournalReader
from batchio.ports.keep import (
    Draft,
    Holder,
    Inputs,
    JobStore,
    Pace,
    Workspace,
)
from batchio.ports.logs import LogSink, LogStore
from batchio.ports.outputs import (
    THROUGH_HEAD,
    Brought,
    BroughtFiles,
    KeptOutputs,
    Part,
    PartStore,
    PlacedFiles,
    Stamped,
)
from batchio.ports.reach import ByteReader, ByteWriter, Completed, Transport
from batchio.ports.rent import (
    Finding,
    Held,
    Line,
    NodeOrder,
    Notice,
    Provider,
    Refused,
    Rented,
)
from batchio.ports.time import Clock, Timer, Waiting

__all__ = [
    "THROUGH_HEAD",
    "Brought",
    "BroughtFiles",
    "ByteReader",
    "ByteWriter",
    "Clock",
    "Completed",
    "Draft",
    "FileStore",
    "Finding",
    "Held",
    "Holder",
    "Inputs",
    "JobStore",
    "Journal",
    "JournalReader",
    "KeptOutputs",
    "Line",
    "LogSink",
    "LogStore",
    "NodeOrder",
    "Notice",
    "ObjectStore",
    "Pace",
    "Part",
    "PartStore",
    "PieceStore",
    "PlacedFiles",
    "Provider",
    "Refused",
    "Rented",
    "Stamped",
    "Stored",
    "Stores",
    "Timer",
    "Transport",
    "Waiting",
    "Workspace",
]
