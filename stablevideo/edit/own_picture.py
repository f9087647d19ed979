"""A picture of one's own -> an edited atlas."""

import torch
from torch import Tensor

from ..errors import InputError
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..video.pictures import resample
from .painting import Edit

ASPECT_TOLERANCE = 0.01  # what rounding to whole pixels may do to a picture that was scaled down


def lay_picture(clip: LayeredVideo, layer: LayerName, picture: Tensor) -> Edit:
    """Put a picture on a layer's atlas: over it where the picture has transparency, in its place where not.

    Parameters
    ----------
    picture
        [3, h, w] or, with alpha, [4, h, w], in [0, 1]; of the atlas's size or aspect, and then scaled to it.

    Raises
    ------
    InputError
        The picture has another aspect, other channels, or values outside [0, 1].
    """
    target = clip.layer(layer)
    _check(layer, picture, target.size)
    picture = picture.float().cpu()
    alpha = picture[3:] if len(picture) == 4 else torch.ones_like(picture[:1])
    # Colours are weighed by their alpha, so that what lies under full transparency does not bleed in.
    scaled = resample(torch.cat([picture[:3] * alpha, alpha]), target.size)
    changed = scaled[3:]
    atlas = (target.atlas.cpu() * (1 - changed) + scaled[:3]).clamp(0, 1)
    settings = {"layer": layer, "own_picture": [picture.shape[2], picture.shape[1]], "alpha": len(picture) == 4}
    return Edit(atlas, changed, (), settings)


def _check(layer: LayerName, picture: Tensor, size: tuple[int, int]) -> None:
    if picture.ndim != 3 or len(picture) not in (3, 4) or 0 in picture.shape:
        raise InputError(
            f"a picture for the {layer} atlas needs 3 channels, or 4 with alpha, got {list(picture.shape)}."
        )
    low, high = picture.amin().item(), picture.amax().item()
    if not 0 <= low <= high <= 1:
        raise InputError(f"the picture's values must lie between 0 and 1, got {low:g} to {high:g}.")
    height, width = picture.shape[1:]
    across, down = width * size[0], height * size[1]
    if abs(across - down) > ASPECT_TOLERANCE * max(across, down):
        raise InputError(
            f"a picture for the {layer} atlas must have its aspect, {size[1]}x{size[0]}, got {width}x{height}; "
            "save it without cropping, or pad it."
        )
