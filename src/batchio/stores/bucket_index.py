"""The cards of a bucket's jobs, as a list wants them: a few requests, however many jobs.

    index/<id>/~<name>     the card of a job; its name is quoted as in a URL
    cards                  the cards of jobs that are done, in one object

Ids, names and marks of all cards are one listing. A card in `cards` counts when its mark is
the one that is listed; any other is read by itself. So nothing needs `cards` to be there, whole or
new: whoever dies before it is written, removes a job, or runs one again makes lists slower,
never wrong. The head of a job that is done takes up what `cards` lacks; readers write nothing.

Everything here blocks, and raises JournalDown or WorkspaceError.
"""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from batchio.core.cards import is_final
from batchio.core.checks import text
from batchio.core.ids import is_job_id
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchio.buckets.blocking import Bucket, Mark

FOLDER: Final = "index/"

GATHERED: Final = "cards"
"""Key of the object that holds the cards of jobs that are done."""

MAGIC: Final = b"batchio cards 1 "
"""What that object begins with; behind it CRC-32 of the rest in hexadecimal, and a space."""

AT_ONCE: Final = 16
"""Cards that are read at the same time."""

MOST_READ: Final = 64
"""Cards that one head takes up at most: the newest ones that are missing."""

MOST_KEPT: Final = 5_000
"""Cards that are kept together, of the newest jobs; older ones are read one by one."""

TRIES: Final = 8
"""Times that a head tries to write the cards, before it leaves them to the next one."""


class Listed(NamedTuple):
    """A card as the listing has it."""

    job: str
    key: str
    mark: str
    """The ETag of its object, without quotes."""


Gathered = dict[str, tuple[str, dict[str, Any]]]
"""By id of a job: the mark of its card, and the card."""


class BucketIndex:
    """The cards of all jobs in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def listed(self) -> list[Listed]:
        """Return all cards, of the newest job first; one listing."""
        with answering():
            found = self._bucket.listed(FOLDER)
        cards = [Listed(item.key.split("/")[1], item.key, _bare(item.e_tag)) for item in found]
        return sorted((card for card in cards if is_job_id(card.job)), reverse=True)

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the id and the card of each job, newest first; {} when it is damaged.

        The bucket is asked for the listing, for what is gathered, and for some cards at a time
        that are not.
        """
        listed = self.listed()
        gathered = self._gathered()[0] if listed else {}
        for first in range(0, len(listed), AT_ONCE):
            some = listed[first : first + AT_ONCE]
            read = self._read([card for card in some if not _has(gathered, card)])
            for card in some:
                yield card.job, read[card.job] if card.job in read else gathered[card.job][1]

    def gather(self) -> None:
        """Take up the cards of jobs that are done and that are not gathered yet."""
        for _ in range(TRIES):
            listed = self.listed()[:MOST_KEPT]
            before, mark = self._gathered()
            missing = [card for card in listed if not _has(before, card)][:MOST_READ]
            read = self._read(missing)
            new = {c.job: (c.mark, read[c.job]) for c in missing if is_final(read[c.job])}
            kept = {card.job: before[card.job] for card in listed if _has(before, card)}
            if not new or self._replace(kept | new, mark):
                return

    def _gathered(self) -> tuple[Gathered, Mark | None]:
        """Return what is gathered, nothing of it when it is damaged; and its object's mark."""
        with answering():
            found = self._bucket.get(GATHERED)
        return (unpack(found.data), found.mark) if found else ({}, None)

    def _read(self, cards: Sequence[Listed]) -> dict[str, dict[str, Any]]:
        """Read cards from their own objects, at the same time."""
        if not cards:
            return {}

        def read(card: Listed) -> dict[str, Any]:
            with answering():
                found = self._bucket.get(card.key)
            return facts_in(found.data if found else b"")

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return dict(zip((card.job for card in cards), threads.map(read, cards), strict=True))

    def _replace(self, cards: Gathered, known: Mark | None) -> bool:
        """Write what is gathered; return False when another head has done so meanwhile."""
        with answering():
            data = pack(cards)
            if known is None:
                return self._bucket.put_new(GATHERED, data) is not None
            return self._bucket.swap(GATHERED, data, known) is not None


def card_key(job: str, name: str) -> str:
    """Return the key of a job's card; ids sort by time, so keys do."""
    return f"{FOLDER}{job}/~{quote(name, safe='')}"


def name_in(key: str) -> str:
    """Return the name in the key of a card."""
    return unquote(key.partition("~")[2])


def facts_in(data: bytes) -> dict[str, Any]:
    """Return facts that were shown; {} when they are damaged."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def pack(cards: Mapping[str, tuple[str, Mapping[str, Any]]]) -> bytes:
    """Return the bytes of gathered cards."""
    packed = zlib.compress(json.dumps(cards, separators=(",", ":")).encode())
    return MAGIC + b"%08x " % zlib.crc32(packed) + packed


def unpack(data: bytes) -> Gathered:
    """Return gathered cards; none when they are damaged, or of another layout."""
    head, packed = data[: len(MAGIC) + 9], data[len(MAGIC) + 9 :]
    if head != MAGIC + b"%08x " % zlib.crc32(packed):
        return {}
    found = json.loads(zlib.decompress(packed))
    try:
        return {job: (text(mark), dict(card)) for job, (mark, card) in found.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _has(gathered: Gathered, card: Listed) -> bool:
    """Return whether a card is gathered as it is listed."""
    return card.job in gathered and gathered[card.job][0] == card.mark


def _bare(e_tag: str) -> str:
    """Return an ETag without quotes, which some stores leave out of a listing."""
    return e_tag.strip('"')
