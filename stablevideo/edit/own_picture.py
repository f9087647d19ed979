"""A picture of one's own in a layer's atlas: over it where it is opaque, or all of it."""

import torch
from torch import Tensor

from ..errors import InputError
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..video.pictures import resize
from .painting import Edit

ASPECT_OFF = 0.02  # how far the picture's aspect may be from the atlas's


def lay_picture(clip: LayeredVideo, layer: LayerName, picture: Tensor) -> Edit:
    """Lay a picture [3 or 4, h, w] in [0, 1] of the atlas's shape, at any size, over a layer's atlas.

    Raises InputError for another shape.
    """
    atlas = clip.layer(layer).atlas.cpu()
    height, width = atlas.shape[1:]
    if abs(picture.shape[2] / picture.shape[1] * height / width - 1) > ASPECT_OFF:
        raise InputError(
            f"the picture is {picture.shape[2]}x{picture.shape[1]}, which has not the shape of the {layer} atlas, "
            f"{width}x{height}; draw on the atlas as it is shown, and do not crop it."
        )
    scaled = resize(picture[None].cpu(), (height, width))[0]
    alpha = scaled[3:] if len(scaled) == 4 else torch.ones(1, height, width)
    settings = {"layer": layer, "picture": [picture.shape[2], picture.shape[1]]}
    return Edit(torch.lerp(atlas, scaled[:3], alpha), alpha, (), settings)
