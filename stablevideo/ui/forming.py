"""Layers that are being fitted, for the live viewer: seldom enough that the fit hardly waits."""

import itertools
import shutil
import time
from pathlib import Path
from typing import Any

from ..layers.layered_video import LayeredVideo
from .canvas.values import open_scene

MOST_OF_TIME = 0.05  # goes into showing


class Forming:
    """What one fit's viewer is told.

    Parameters
    ----------
    folder
        An empty one, for files. The last two states stay in it: one may still be on its way to the page.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers, self._next_s = itertools.count(1), 0.0

    @property
    def is_due(self) -> bool:
        """Whether it may be shown again."""
        return time.monotonic() >= self._next_s

    def show(self, clip: LayeredVideo) -> dict[str, Any]:
        """The viewer's value for layers as they are by now."""
        begin, number = time.monotonic(), next(self._numbers)
        shutil.rmtree(self.folder / str(number - 2), ignore_errors=True)
        folder = self.folder / str(number)
        folder.mkdir()
        scene = open_scene(clip, folder)
        now = time.monotonic()
        self._next_s = now + (now - begin) / MOST_OF_TIME
        return scene | {"version": number, "undo": False, "redo": False, "forming": True}
