"""What people type: frame numbers, boxes."""

from .errors import InputError


def parse_frames(text: str, frame_count: int, what: str = "frame") -> list[int]:
    """'0, 20, 40' -> [0, 20, 40]; each once, in the order given. Raises InputError naming what is wrong."""
    words = text.replace(",", " ").split()
    if not words:
        raise InputError(f"no {what} is given; write frame numbers such as '0, 20, 40'.")
    frames = []
    for word in words:
        if not word.isascii() or not word.isdigit():
            raise InputError(f"{word!r} is no {what}; write frame numbers such as '0, 20, 40'.")
        if int(word) >= frame_count:
            raise InputError(f"{what} {word} is out of range; the clip has frames 0 to {frame_count - 1}.")
        frames.append(int(word))
    return list(dict.fromkeys(frames))


def parse_box(text: str) -> tuple[int, int, int, int]:
    """'LEFT,TOP,RIGHT,BOTTOM' -> the four numbers. Raises InputError for anything else."""
    sides = text.replace(" ", "").split(",")
    if len(sides) != 4 or not all(side.isascii() and side.isdigit() for side in sides):
        raise InputError(f"a box looks like LEFT,TOP,RIGHT,BOTTOM in pixels, got {text!r}.")
    left, top, right, bottom = map(int, sides)
    return left, top, right, bottom
