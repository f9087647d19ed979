"""What strokes still lack of a style: its colours, and how strong detail is in it at each scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..color.grade import Grade
from ..color.spaces import lab_to_rgb, rgb_to_lab
from ..metrics import luma
from ..video.pictures import resize
from .detail import gains, raised, strengths
from .network import Mode

SPREAD = 0.5  # of the way to how a style's colours spread: on all of it, strokes lose more of its look than they gain
# By how much detail is raised. What is not there cannot be made stronger, only its noise; and a photo keeps its own.
LIMITS: dict[Mode, tuple[float, float]] = {"artistic": (0.5, 3.0), "photo": (1.0, 1.5)}
SIDE = 96  # of the squares that a picture's colours are taken from


@dataclass(frozen=True)
class Look:
    """What a style picture is like on the whole.

    Attributes
    ----------
    palette
        Colours [K, 3] from all over it, in no order.
    detail
        How strong detail is in it, [3, SCALES].
    """

    palette: np.ndarray
    detail: Tensor

    @classmethod
    def of(cls, picture: Tensor) -> Look:
        """Of a picture [3, h, w] in [0, 1]."""
        return cls(samples(picture), strengths(picture[None])[0])

    def mixed(self, other: Look, share: float) -> Look:
        """So much of the other's."""
        counts = round(len(self.palette) * (1 - share)), round(len(other.palette) * share)
        palette = np.concatenate([self.palette[: counts[0]], other.palette[: counts[1]]])
        return Look(palette, self.detail.lerp(other.detail, share))


@dataclass(frozen=True)
class Finish:
    """What gives strokes a look: a network comes only near to it.

    Attributes
    ----------
    grade
        Of their colours.
    gains
        Of the detail of what is graded, [3, SCALES].
    """

    grade: Grade
    gains: Tensor

    @classmethod
    def of(cls, strokes: Tensor, look: Look, counts: Tensor | None = None, mode: Mode = "artistic") -> Finish:
        """Of strokes [3, h, w]; `counts` [1, h, w] says how much each pixel has a say.

        A photo's detail is raised alike in all channels, or its colours became grainy.
        """
        grade = Grade.match(samples(strokes, counts), look.palette, SPREAD)
        own = strengths(graded(strokes, grade)[None], None if counts is None else counts[None])[0]
        wanted = look.detail.to(own)
        if mode == "photo":
            own, wanted = (one.square().mean(0, keepdim=True).sqrt().expand(3, -1) for one in (own, wanted))
        return cls(grade, gains(own, wanted, LIMITS[mode]))

    def mixed(self, other: Finish, share: float) -> Finish:
        """So much of the other's."""
        return Finish(self.grade.mixed(other.grade, share), self.gains.lerp(other.gains, share))

    def on(self, strokes: Tensor) -> Tensor:
        """Strokes [3, h, w] in the look, in [0, 1]."""
        return shown(raised(graded(strokes, self.grade)[None], self.gains[None])[0])


def graded(picture: Tensor, grade: Grade) -> Tensor:
    """A picture [3, h, w] in the colours of a grade without curves; not clipped."""
    matrix, offset = (torch.from_numpy(part).to(picture) for part in (grade.matrix, grade.offset))
    return (matrix @ picture.flatten(1) + offset[:, None]).unflatten(1, picture.shape[1:])


def shown(picture: Tensor) -> Tensor:
    """Colours [3, h, w] brought into [0, 1] towards the grey as light as they are: clipping would change their hue."""
    light = luma(picture[None])[0].clamp(0, 1)
    apart = picture - light
    room = torch.where(apart > 0, 1 - light, light) / apart.abs().clamp(min=1e-6)
    return (light + apart * room.amin(0).clamp(max=1)).clamp(0, 1)


def in_colours_of(painted: Tensor, picture: Tensor) -> Tensor:
    """What was painted, [3, H, W], with a picture's own colours and as light as that on the whole: its strokes stay."""
    strokes, own = rgb_to_lab(painted[None]), rgb_to_lab(picture[None])
    light = strokes[:, :1] + (own[:, :1].mean() - strokes[:, :1].mean())
    return lab_to_rgb(torch.cat([light.clamp(0, 100), own[:, 1:]], 1))[0].clamp(0, 1)


def samples(picture: Tensor, counts: Tensor | None = None) -> np.ndarray:
    """Colours [up to SIDE * SIDE, 3] all over a picture [3, h, w], in no order, of what has a say."""
    colours = resize(picture[None].cpu(), (SIDE, SIDE))[0].flatten(1).T.double().numpy()
    if counts is not None:
        known = resize(counts[None].cpu(), (SIDE, SIDE)).flatten().numpy() > 0.5
        colours = colours[known] if known.sum() > 1 else colours
    return np.random.default_rng(0).permutation(colours)
