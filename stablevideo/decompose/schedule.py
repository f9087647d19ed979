"""How a fit goes: from coarse frames to fine ones, and from stiff lattices to pliant ones."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Level:
    """Some turns at one size.

    Attributes
    ----------
    scale
        Of the frames, against the clip's own size.
    turns
        How often maps, light, alpha and atlases are solved for, one after the other.
    strides
        Pixels of the clip's own frame between nodes, of the foreground's and the background's lattice.
    stiffness
        Weight of the lattices' bending against what pixels say.
    texels
        A frame pixel's side in texels of the atlas: above 1 the frames' different sampling adds detail.
    light_px
        Pixels of the clip's own frame between two factors of light, of the foreground and the background; 0 leaves the
        light as it is. What is finer than that is texture, and would come back as a ghost on an edit.
    follow
        How much the flow counts against what the pixels say.
    momentum
        How much of their last movement the maps keep.
    sharpen
        Steps of least squares for the atlases after each turn, and with them alpha is solved for; 0 splats them.
    """

    scale: float
    turns: int
    strides: tuple[int, int]
    stiffness: float
    texels: float = 1.0
    light_px: tuple[int, int] = (0, 0)
    follow: float = 0.0
    momentum: float = 0.0
    sharpen: int = 0


# At a quarter of the clip's size, then at half of it, the maps find their way, splatted atlases are enough at first.
COARSE = (
    Level(0.25, 8, (16, 32), 0.02, follow=1.0),
    Level(0.5, 4, (16, 32), 0.01, light_px=(24, 24), follow=0.3),
)
HALF = Level(0.5, 10, (8, 8), 0.003, texels=2, light_px=(24, 24), follow=0.05, momentum=0.6, sharpen=2)
FULL = Level(1.0, 10, (4, 4), 0.0005, texels=3, light_px=(24, 8), follow=0.05, momentum=0.6, sharpen=4)

# The maps need many turns and little of the atlases meanwhile; the atlases' fine detail comes at the end, at once.
SCHEDULES: dict[str, tuple[Level, ...]] = {
    "fine": (*COARSE, HALF, FULL, replace(FULL, turns=1, sharpen=18)),
    "quick": (*COARSE, HALF, replace(FULL, turns=4), replace(FULL, turns=1, sharpen=10)),
}

SMALL_PX = 64  # the side of an object, below which its lattice and light are twice as fine


def for_object(schedule: tuple[Level, ...], side_px: float) -> tuple[Level, ...]:
    """The schedule for an object that covers as much as a square of this side: a small one bends in little room."""
    if side_px >= SMALL_PX:
        return schedule
    return tuple(
        replace(
            level,
            strides=(level.strides[0] // 2, level.strides[1]),
            light_px=(level.light_px[0] // 2, level.light_px[1]),
        )
        for level in schedule
    )
