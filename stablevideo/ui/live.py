"""A long job in a thread, watched from a generator, so that a page can show it while it runs."""

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..progress import Cancelled

News = TypeVar("News")


def watched(job: Callable[[Callable[[News], None]], None], beat_s: float = 1.0) -> Iterator[News | None]:
    """Run `job(tell)` in a thread; yield the newest of what it told, or None, at least every `beat_s` seconds.

    What the job raises is raised here, after its last news. Where this generator is left early, `tell` raises
    Cancelled in the job, and its thread is waited for: none outlives the generator.
    """
    told: queue.SimpleQueue[News | None] = queue.SimpleQueue()  # None: the job has ended
    left, failures = threading.Event(), []

    def tell(news: News) -> None:
        if left.is_set():
            raise Cancelled
        told.put(news)

    def work() -> None:
        try:
            job(tell)
        except BaseException as error:
            failures.append(error)
        finally:
            told.put(None)

    # In the context of who asked: a page's progress bar is found by it.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="watched job", daemon=True)
    thread.start()
    try:
        ended = False
        while not ended:
            news = _waiting(told, beat_s)
            ended = None in news
            yield next((item for item in reversed(news) if item is not None), None)
    finally:
        left.set()
        thread.join()
    if failures:
        raise failures[0]


def _waiting(told: "queue.SimpleQueue[News | None]", wait_s: float) -> list[News | None]:
    """All that was told by now; waits for the first."""
    news = []
    try:
        news.append(told.get(timeout=wait_s))
        while True:
            news.append(told.get_nowait())
    except queue.Empty:
        return news
