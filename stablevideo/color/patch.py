"""What a person points at in a frame: a patch that must keep its colour, a point that should be neutral."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..parse import parse_box
from .grade import SIZE, Grade

Window = tuple[slice, slice]  # rows, columns

AROUND_PX = 2  # of the white point, each way, that is averaged with it
TELLS = (0.02, 0.98)  # a mean that is darker or brighter is clipped, and tells no colour
MOST = 2.0  # and its inverse: how far a patch may move its frame
ROUNDS = 3
GREY = np.array([0.299, 0.587, 0.114])  # BT.601, of gamma-encoded RGB


def patch_window(text: str, size: tuple[int, int]) -> Window:
    """'X0,Y0,X1,Y1' in pixels of frames (height, width). Raises InputError where it is none, or not within them."""
    left, top, right, bottom = parse_box(text)
    if not (left < right <= size[1] and top < bottom <= size[0]):
        raise InputError(
            f"the patch {text} does not lie within frames of {size[1]}x{size[0]}; give LEFT,TOP,RIGHT,BOTTOM."
        )
    return slice(top, bottom), slice(left, right)


def white_window(text: str, size: tuple[int, int]) -> Window:
    """'X,Y' -> the few pixels around. Raises InputError where it is no place, or not within frames (height, width)."""
    x, _, y = text.replace(" ", "").partition(",")
    if not (x.isascii() and x.isdigit() and y.isascii() and y.isdigit()):
        raise InputError(f"a white point looks like X,Y in pixels, got {text!r}.")
    if int(x) >= size[1] or int(y) >= size[0]:
        raise InputError(f"the white point {text} does not lie within frames of {size[1]}x{size[0]}.")
    return _span(int(y), size[0]), _span(int(x), size[1])


def neutral(frame: np.ndarray, white: Window, look: Grade | None = None) -> Grade:
    """The look with gains that make a place of a frame, uint8 [H, W, 3], neutral, as bright as it was.

    Raises InputError where the place is black or clipped.
    """
    found = Grade.identity() if look is None else look
    for _ in range(ROUNDS):  # gains come before a look's matrix
        colour = found.apply(np.ascontiguousarray(frame[white])).mean((0, 1)) / 255
        if not TELLS[0] < colour.min() <= colour.max() < TELLS[1]:
            shown = ", ".join(f"{255 * value:.0f}" for value in colour)
            raise InputError(f"the white point shows {shown} of 255, too dark or clipped; choose something light grey.")
        log_gain = np.zeros(SIZE)
        log_gain[:3] = np.log(colour @ GREY / colour)
        found = Grade(found.coefficients + log_gain)
    return found


def held(patch: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The gains [3] that give a patch, uint8 [h, w, 3], the mean colour of another; none where either is clipped."""
    own, other = (pixels.mean((0, 1)) / 255 for pixels in (patch, wanted))
    if min(own.min(), other.min()) < TELLS[0] or max(own.max(), other.max()) > TELLS[1]:
        return np.ones(3)
    return np.clip(other / own, 1 / MOST, MOST)


def _span(centre: int, length: int) -> slice:
    return slice(max(0, centre - AROUND_PX), min(length, centre + AROUND_PX + 1))
