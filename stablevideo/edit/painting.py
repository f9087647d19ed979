"""What both edits share: the result, the size to paint at, what is settled before and recorded after."""

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from ..diffusion.spec import HintKind
from ..options import DiffusionOptions
from .keyframe import Keyframe

if TYPE_CHECKING:
    from ..diffusion.editor import Editor

Options = TypeVar("Options", bound=DiffusionOptions)

GRID_PX = 64  # a picture's sides are multiples of this: eight latents, three halvings in the UNet


@dataclass(frozen=True)
class Edit:
    """What an edit gives, on the CPU whatever device made it.

    Attributes
    ----------
    atlas
        [3, Ha, Wa] in [0, 1], edited; the layer's own where no keyframe reached.
    changed
        [1, Ha, Wa] in [0, 1]: how much of each texel is edit.
    keyframes
        Empty for the background and for a picture of one's own.
    settings
        What is needed to run it again: prompt, model, hint, options, the seed that was used, and what it ran on.
    uncoloured
        The atlas before it was recoloured, [3, Ha, Wa]; None where it was not.
    """

    atlas: Tensor
    changed: Tensor
    keyframes: tuple[Keyframe, ...]
    settings: dict[str, Any]
    uncoloured: Tensor | None = None


def paint_size(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size to paint at: short side near `resolution`, both sides multiples of 64, aspect about kept."""
    scale = resolution / min(size)
    height, width = (max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in size)
    return height, width


def with_seed(options: Options) -> Options:
    """Draw the seed now if it is left open, so that what is recorded is what was used."""
    return options if options.seed >= 0 else replace(options, seed=secrets.randbelow(2**31))


def settings_of(layer: str, prompt: str, editor: "Editor", kind: HintKind, options: DiffusionOptions) -> dict[str, Any]:
    """All that is needed to paint a layer again, and what it was painted on."""
    return {
        "layer": layer,
        "prompt": prompt,
        "model": editor.name,
        "device": editor.device.type,
        "dtype": str(editor.dtype).removeprefix("torch."),
        "hint": kind,
        **vars(options),
    }
