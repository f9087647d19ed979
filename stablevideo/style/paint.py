"""Pictures of any size painted in a style: in tiles without seams, as strongly as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..video.pictures import read_picture, resize
from .finish import Finish, Look, in_colours_of
from .network import Mode, StyleNetwork
from .sct import Moments, MomentSums, StyleCode
from .tiles import Tile, coarser, padded, tiles

# Of a style picture's shorter side, at which its look is taken: strokes are learnt at about this scale.
STYLE_PX = 384
LEAST_STYLE_PX = 16  # of a style picture that has a look at all
MOST_STRETCH = 4  # of the longer side over the shorter one, that are looked at
TILE_PX = {"cpu": 1024, "cuda": 2048}  # a picture up to this is painted whole


@dataclass(frozen=True)
class Seen:
    """A picture on its way into a style.

    Attributes
    ----------
    picture
        [1, 3, H, W], continued to whole multiples of the network's stride.
    size
        Of the picture itself.
    moments
        Of its features at each level that is transferred, over all of it.
    tiles
        Its parts; where it is one, its features are kept.
    counts
        [1, H, W] in [0, 1]: how much each pixel has a say; None where all have.
    """

    picture: Tensor
    size: tuple[int, int]
    moments: list[Moments]
    tiles: list[Tile]
    features: list[Tensor] | None
    counts: Tensor | None


class Painter:
    """A network with one style, or a mixture of two, in hand.

    Parameters
    ----------
    styles
        One picture [3, h, w] in [0, 1] or two, each at least as large as the network needs, see `check_style`.
    share
        How much of the second there is, in [0, 1].
    mode
        What the network was trained for.
    settings
        What is needed to make the same painter again.

    Raises
    ------
    InputError
        No style, more than two, or one that is too small.
    """

    def __init__(
        self,
        network: StyleNetwork,
        styles: Sequence[Tensor],
        share: float = 0.5,
        mode: Mode = "artistic",
        settings: dict[str, Any] | None = None,
    ) -> None:
        if not 1 <= len(styles) <= 2:
            raise InputError(f"a painter needs one style picture, or two to mix, got {len(styles)}.")
        self.network, self.mode, self.settings = network, mode, settings or {}
        self.device = next(network.parameters()).device
        for style in styles:
            check_style(style)
        pictures = [fitted(style.to(self.device)) for style in styles]
        looks, codes = [Look.of(one) for one in pictures], [self._codes(one) for one in pictures]
        self.look = looks[0] if len(looks) == 1 else looks[0].mixed(looks[1], share)
        self.codes = codes[0] if len(codes) == 1 else [a.mixed(b, share) for a, b in zip(*codes, strict=True)]

    @torch.inference_mode()
    def see(self, picture: Tensor, counts: Tensor | None = None) -> Seen:
        """Look at a picture [3, H, W] in [0, 1].

        `counts` [1, H, W] in [0, 1] says how much each of its pixels has a say in what the picture is like: an atlas
        also has texels that no frame sees.
        """
        shape = self.network.shape
        whole = padded(picture[None].to(self.device).contiguous(memory_format=torch.channels_last), shape.stride)
        weights = None if counts is None else padded(counts[None].to(self.device), shape.stride)
        size = (whole.shape[2], whole.shape[3])
        parts = list(tiles(size, TILE_PX.get(self.device.type, TILE_PX["cpu"]), shape.halo_px))
        sums, features = [MomentSums() for _ in self.codes], None
        for tile in parts:
            features = self.network.features(whole[..., *tile.seen])
            for total, found in zip(sums, features, strict=True):
                stride = size_ratio(whole[..., *tile.seen], found)
                weight = None if weights is None else F.avg_pool2d(weights[..., *tile.part], stride)
                total.add(found[..., *coarser(tile.within, stride)], weight)
        moments = [total.moments() for total in sums]
        kept = features if len(parts) == 1 else None
        return Seen(whole, (picture.shape[1], picture.shape[2]), moments, parts, kept, counts)

    def paint(self, seen: Seen, strength: float = 1.0, keep_colours: bool = False) -> Tensor:
        """The picture in the style -> [3, H, W] in [0, 1]; strength 0 is the picture as it was."""
        strokes = self.strokes(seen)
        return self.finished(seen, strokes, self.finish(seen, strokes), strength, keep_colours)

    @torch.inference_mode()
    def strokes(self, seen: Seen, moments: Sequence[Moments] | None = None) -> Tensor:
        """What the network makes of it -> [3, H, W] in [0, 1].

        `moments` stand in for its own: those of a video's frames are smoothed over time.
        """
        moments = moments or seen.moments
        made = torch.empty_like(seen.picture)
        for tile in seen.tiles:
            features = seen.features or self.network.features(seen.picture[..., *tile.seen])
            made[..., *tile.part] = self.network.paint(features, self.codes, moments)[..., *tile.within]
        height, width = seen.size
        return made[0, :, :height, :width].clamp(0, 1)

    def finish(self, seen: Seen, strokes: Tensor) -> Finish:
        """What strokes still lack of the style."""
        return Finish.of(strokes, self.look, seen.counts, self.mode)

    @torch.inference_mode()
    def finished(self, seen: Seen, strokes: Tensor, finish: Finish, strength: float, keep_colours: bool) -> Tensor:
        """Strokes in the style's look, or with the picture's own colours, laid on it as strongly as asked for."""
        before, after = seen.picture[0, :, : seen.size[0], : seen.size[1]], finish.on(strokes)
        return before.lerp(in_colours_of(after, before) if keep_colours else after, strength)

    @torch.inference_mode()
    def _codes(self, style: Tensor) -> list[StyleCode]:
        return self.network.codes(padded(style[None], self.network.shape.stride))


def read_style(path: Path) -> Tensor:
    """A style picture from outside -> [3, h, w] in [0, 1], what is transparent of it on white.

    Raises InputError for what no look can be taken from: no picture, too large, too small, or nothing to be seen on it.
    """
    picture = read_picture(path, alpha=True)
    colours, alpha = picture[:3], picture[3:]
    if len(alpha):
        if alpha.amax() == 0:
            raise InputError(f"{path.name} is transparent all over; give a picture that shows something.")
        colours = colours * alpha + (1 - alpha)
    check_style(colours, path.name)
    return colours


def check_style(style: Tensor, name: str = "a style picture") -> None:
    """Raise InputError for one that is too small."""
    height, width = style.shape[1:]
    if min(height, width) < LEAST_STYLE_PX:
        raise InputError(
            f"{name} is {width}x{height}, too small to take a look from; give one of {LEAST_STYLE_PX} pixels a side "
            "or more."
        )


def fitted(style: Tensor) -> Tensor:
    """A style picture at the size at which its look is taken: the middle of it, where it is a long strip."""
    height, width = style.shape[1:]
    most = MOST_STRETCH * min(height, width)
    top, left = (max(0, side - most) // 2 for side in (height, width))
    style = style[:, top : top + most, left : left + most]
    scale = STYLE_PX / min(style.shape[1:])
    return resize(style[None], (round(style.shape[1] * scale), round(style.shape[2] * scale)))[0]


def size_ratio(picture: Tensor, features: Tensor) -> int:
    """How many pixels apart features lie."""
    return picture.shape[3] // features.shape[3]
