"""Streams of items: an async iterator that can be closed early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator over the items of an async generator; close it when you stop early."""

    def __init__(self, make: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._make = make
        self._source: AsyncGenerator[T, None] | None = None

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        return await anext(self._opened())

    async def aclose(self) -> None:
        """Close the generator, wherever it stands."""
        if self._source is not None:
            await self._source.aclose()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _opened(self) -> AsyncGenerator[T, None]:
        if self._source is None:
            self._source = self._make()
        return self._source
