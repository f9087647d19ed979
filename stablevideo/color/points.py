"""Points carried along a clip by its motion; each keeps the colour that it should have."""

from __future__ import annotations

import cv2
import numpy as np

from .fit import Samples
from .grade import Grade

STEP_PX = 3  # of the grid on which points begin
RETURN_PX = 0.5  # how close to its start a point must come, there and back
PARTS = 3  # a side, of the picture; each may change for a reason of its own
DARKEST, BRIGHTEST = 0.03, 0.97  # colours beyond are clipped, or nearly: what they were cannot be told
LEAST, LEAST_SHARE = 50, 0.05  # points, and their share of all, that tell a grade


class Points:
    """Points on frames of one size: where they are, what colour they should have, and where they began.

    A point's colour is that of the frame that it began in, graded as that frame was: no frame is held to the one
    before it, and a point that lives long hands nothing over.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        rows, columns = np.mgrid[0 : size[0] : STEP_PX, 0 : size[1] : STEP_PX]
        self._lattice = rows.shape
        self._grid = np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float32)
        part = np.minimum(self._grid * PARTS / np.array(size[::-1]), PARTS - 1).astype(int)
        self._grid_parts = np.eye(PARTS**2)[part[:, 1] * PARTS + part[:, 0]]
        self.places = np.zeros((0, 2), np.float32)
        self.colours, self.parts, self.handovers = np.zeros((0, 3)), np.zeros((0, PARTS**2)), np.zeros(0)

    def begin(self, picture: np.ndarray, grade: Grade, handovers: float) -> None:
        """New points where there are none, on a frame, float32 [H, W, 3], with its grade and what led to that."""
        new = np.ones(len(self._grid), bool)
        new[self._nodes()] = False
        places = self._grid[new]
        colours = grade.of(picture[places[:, 1].astype(int), places[:, 0].astype(int)].astype(np.float64))
        self.places = np.concatenate([self.places, places])
        self.colours = np.concatenate([self.colours, colours])
        self.parts = np.concatenate([self.parts, self._grid_parts[new]])
        self.handovers = np.concatenate([self.handovers, np.full(len(places), handovers + 1)])

    def follow(self, there: np.ndarray, back: np.ndarray) -> float:
        """Carry the points along a flow, [H, W, 2] pixels; the share of them that the flow back returns.

        Those that it does not return are dropped, and of those that meet, the younger ones.
        """
        moved = self.places + _at(there, self.places)
        returned = np.square(moved + _at(back, moved, outside=1e3) - self.places).sum(1) < RETURN_PX**2
        inside = np.all((moved >= 0) & (moved <= np.array(self.size[::-1]) - 1), 1)
        self.places = moved
        self._keep(returned & inside)
        first = np.full(len(self._grid), -1)
        nodes = self._nodes()
        first[nodes[::-1]] = np.arange(len(nodes))[::-1]
        self._keep(np.sort(first[first >= 0]))  # the oldest stay in front
        return float(returned[inside].mean()) if inside.any() else 0.0

    def samples(self, picture: np.ndarray, keep: np.ndarray | None) -> tuple[Samples, float] | None:
        """What a frame, float32 [H, W, 3], shows at the points beside what it should, and the mean of what led to that.

        Points where nothing was to be kept, bool [H, W], have no say. None where too few are left.
        """
        seen = _at(picture, self.places, cv2.INTER_CUBIC).astype(np.float64)
        use = np.all((np.minimum(seen, self.colours) > DARKEST) & (np.maximum(seen, self.colours) < BRIGHTEST), 1)
        if keep is not None:
            x, y = np.rint(self.places).astype(int).T
            use &= keep[y, x]
        if use.sum() < max(LEAST, LEAST_SHARE * len(self._grid)):
            return None
        return Samples(seen[use], self.colours[use], self.parts[use]), float(self.handovers[use].mean())

    def _keep(self, which: np.ndarray) -> None:
        self.places, self.colours = self.places[which], self.colours[which]
        self.parts, self.handovers = self.parts[which], self.handovers[which]

    def _nodes(self) -> np.ndarray:
        """The node of the grid nearest to each point."""
        column, row = np.rint(self.places / STEP_PX).astype(int).T
        return row.clip(0, self._lattice[0] - 1) * self._lattice[1] + column.clip(0, self._lattice[1] - 1)


def _at(
    picture: np.ndarray, places: np.ndarray, kind: int = cv2.INTER_LINEAR, outside: float | None = None
) -> np.ndarray:
    """A picture [H, W, C] at places [N, 2] in pixels -> [N, C]; its border goes on, or `outside` begins."""
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    x, y = np.ascontiguousarray(places.T)[:, :, None]
    return cv2.remap(picture, x, y, kind, borderMode=border, borderValue=[outside or 0.0] * 4)[:, 0]
