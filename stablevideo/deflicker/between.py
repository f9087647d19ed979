"""An edited frame made of the keyframes around it, once each is brought into its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import enlarged, gradient_squared, soft, squared
from .local_colours import colour_map, known_around, recoloured, through

COLOUR_PX = 16  # of the squares over which two keyframes' colours are compared
LIGHT_PX = 16  # light changes no faster than over so much
MISPLACED_PX = 0.5  # by so much, what is shown may lie beside its place
NOISE = 3 / 255  # and deviate for no reason
SURE = 2.5  # so many times what is natural, a place is still believed
LONELY_PX = 2  # trusted places of this size among others that are not are chance
NARROW = 6.0  # one keyframe's detail gives way to the other's in about a third of the way: the power of the weights
KNOWN = 0.35  # less trust, and a place becomes what the source shows there, in the edit's colours
LEAST = 1e-4


@dataclass(frozen=True)
class Side:
    """A keyframe brought into a frame's place.

    Attributes
    ----------
    picture, source
        [1, 3, H, W] in [0, 1]: the edit of the keyframe, and the video's own frame, both seen through the same map.
    trust
        [1, 1, H, W] in [0, 1]: how surely the map leads there and back.
    away
        How many frames away the keyframe is.
    """

    picture: Tensor
    source: Tensor
    trust: Tensor
    away: int


def between(source: Tensor, sides: Sequence[Side]) -> Tensor:
    """The edit of a frame [1, 3, H, W] in [0, 1] whose own source is known, from one keyframe or two.

    The colours go from one keyframe's to the other's over the whole way. Detail is one keyframe's or the other's, that
    of the nearer or of the one that knows the place, and both's only for a short while: two paintings do not lie on
    each other. What neither knows, the source shows: in the colours that the edit gave to what is around it.
    """
    trusts = [_no_chance(side.trust * likeness(source, side.source)) for side in sides]
    if len(sides) == 1:
        picture, known = sides[0].picture, trusts[0]
    else:
        picture = _joined(sides, trusts)
        known = torch.maximum(*trusts)
    sure = soft((known / KNOWN).clamp(max=1), 1)
    filled = recoloured(source, picture, known * sure)
    return torch.lerp(filled, picture, sure).clamp(0, 1)


def likeness(source: Tensor, shown: Tensor) -> Tensor:
    """How like the source's frame a keyframe's is that was brought into its place: [1, 1, H, W] in [0, 1].

    Light may change: what differs over a large place does not count.
    """
    off = shown - source
    off = off - soft(off, LIGHT_PX)
    natural = soft(gradient_squared(source), 2) * MISPLACED_PX**2 + NOISE**2
    ratio = soft(squared(off), 2) / natural
    return torch.exp(-(ratio / SURE - 1).clamp(min=0))


def _no_chance(trust: Tensor) -> Tensor:
    """Trust without the specks where a way that is lost comes back by chance."""
    around = 2 * LONELY_PX + 1
    least = -F.max_pool2d(-trust, 3, 1, 1)
    opened = F.max_pool2d(-F.max_pool2d(-trust, around, 1, LONELY_PX), around, 1, LONELY_PX)
    return torch.minimum(soft(trust, 1), torch.maximum(opened, least))


def _joined(sides: Sequence[Side], trusts: Sequence[Tensor]) -> Tensor:
    """Two keyframes as one picture, at a time between them."""
    late = sides[0].away / (sides[0].away + sides[1].away)
    first, second = (side.picture for side in sides)
    both = trusts[0] * trusts[1]
    weights = [(trust * near + LEAST) ** NARROW for trust, near in zip(trusts, (1 - late, late), strict=True)]
    share = soft(weights[1] / (weights[0] + weights[1]), 1)
    return torch.lerp(
        first + late * _colours_away(first, second, trusts[0], both),
        second + (1 - late) * _colours_away(second, first, trusts[1], both),
        share,
    )


def _colours_away(picture: Tensor, other: Tensor, trust: Tensor, both: Tensor) -> Tensor:
    """What takes a picture's colours to another's, without its detail, [1, 3, H, W]; `both`: where both are known.

    Where one of them is not, by the linear map that takes these colours to those elsewhere.
    """
    colours = known_around(picture, trust, COLOUR_PX)
    away = through(colour_map(picture, other, both), colours) - colours
    return enlarged(away + known_around(other - picture - enlarged(away, picture), both, COLOUR_PX), picture)
