"""Work done ahead of its use, in a thread of its own: decoding, while the frame before is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], count: int = 4) -> Iterator[Item]:
    """The same items, up to so many of them made before they are asked for. What their making raises is raised here."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        made: deque[Any] = deque(pool.submit(next, iterator, end) for _ in range(count))
        while (item := made.popleft().result()) is not end:
            made.append(pool.submit(next, iterator, end))
            yield item
