"""A part of the result by itself, with transparency, to be laid over something else."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..layers.matte import shares

LEAST_ALPHA = 1 / 255  # what 8 bits can tell from nothing


@torch.no_grad()
def foreground_alone(
    clip: LayeredVideo, foreground: Tensor | None = None, size: tuple[int, int] | None = None
) -> Iterator[Tensor]:
    """Yield the foreground, edited or the clip's own, with the matte as alpha: [n, 4, H, W] in [0, 1].

    Colours are not multiplied by alpha, and go on around the thing: nothing of the old background is in its rim.
    Raises InputError for an atlas of another shape.
    """
    size, layer = size or clip.size, clip.foreground
    atlas = layer.atlas if foreground is None else clip.check_atlas("foreground", foreground)
    picture = layer.for_frames(atlas, size)
    for frames in clip.chunks(size):
        yield torch.cat([layer.lit(picture, frames, size).clamp(0, 1), clip.alpha(frames, size)], 1)


@torch.no_grad()
def edit_alone(
    clip: LayeredVideo,
    atlases: Mapping[LayerName, Tensor],
    changed: Mapping[LayerName, Tensor],
    size: tuple[int, int] | None = None,
) -> Iterator[Tensor]:
    """Yield what was edited, and nothing else: [n, 4, H, W] in [0, 1]; alpha is how much of a pixel is edit.

    Colours are those that, laid over the clip by alpha, give the edited clip.

    Parameters
    ----------
    atlases, changed
        Of the layers that were edited: the edited atlas [3, Ha, Wa], and how much of each texel is edit [1, Ha, Wa].
    """
    size = size or clip.size
    seen = {name: clip.layer(name).at_pixel_scale(mask.to(clip.device), size) for name, mask in changed.items()}
    edited = clip.render(atlases.get("foreground"), atlases.get("background"), size)
    for frames, plain, result in zip(clip.chunks(size), clip.render(size=size), edited, strict=True):
        alpha = torch.zeros_like(plain[:, :1])
        for name, share in shares(clip.alpha(frames, size)).items():
            if name in seen:
                alpha += share * clip.layer(name).sample(seen[name], frames, size)
        colours = plain + (result - plain) / alpha.clamp(min=LEAST_ALPHA)
        yield torch.cat([colours.clamp(0, 1), alpha.clamp(0, 1)], 1)
