"""What both edits share: the result, the hint, the size to paint at, the seed, what is recorded."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..diffusion.hints import HintMaker, canny, depth
from ..diffusion.spec import HintKind
from ..options import BackgroundOptions, DiffusionOptions, ForegroundOptions
from .merge import Keyframe

if TYPE_CHECKING:
    from ..diffusion.editor import Editor


GRID_PX = 64  # a picture's sides are multiples of this: eight latents, three halvings in the UNet


@dataclass(frozen=True)
class Edit:
    """What an edit gives.

    Attributes
    ----------
    atlas
        [3, Ha, Wa] in [0, 1], edited; the layer's own where no keyframe reached.
    changed
        [1, Ha, Wa] in [0, 1]: how much of each texel is edit.
    keyframes
        Empty for the background.
    settings
        Everything needed to run it again: prompt, model, hint, options, and the seed that was used.
    """

    atlas: Tensor
    changed: Tensor
    keyframes: tuple[Keyframe, ...]
    settings: dict

    def without_lifts(self) -> "Edit":
        """The same without the keyframes' lifts, which are as large as the atlas and no longer needed."""
        nothing = torch.empty(0)
        light = [replace(keyframe, colours=nothing, coverage=nothing) for keyframe in self.keyframes]
        return replace(self, keyframes=tuple(light))


def paint_size(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size to paint at: short side near `resolution`, both sides multiples of 64, aspect about kept."""
    scale = resolution / min(size)
    return tuple(max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in size)


def hint_maker(kind: HintKind, editor: "Editor", options: DiffusionOptions) -> HintMaker:
    """What makes the hint of that kind, with the options that bear on it."""
    if kind == "depth":
        resolution = getattr(options, "depth_resolution", BackgroundOptions().depth_resolution)
        return depth(editor.ckpt, resolution, editor.device)
    thresholds = options if isinstance(options, ForegroundOptions) else ForegroundOptions()
    return canny(thresholds.canny_low, thresholds.canny_high)


def with_seed(options: DiffusionOptions) -> DiffusionOptions:
    """Draw the seed now if it is left open, so that what is recorded is what was used."""
    if options.seed >= 0:
        return options
    return replace(options, seed=int(torch.seed() % 2**31))


def settings_of(layer: str, prompt: str, editor: "Editor", kind: HintKind, options: DiffusionOptions) -> dict:
    """All that is needed to paint a layer again."""
    return {"layer": layer, "prompt": prompt, "model": editor.name, "hint": kind, **vars(options)}
