"""What a caption does to a picture: the targets of training, made by image processing.

Every look keeps what the source draws and sets the rest: colours and materials repaint, scenes change light and
weather, styles redraw. What is black outside of the mask stays black, and without a wish the source stays itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .materials import Grains, repaint
from .sources import Source
from .styles import STYLES
from .weather import paint_scene
from .wishes import Wish


def apply_looks(source: Source, wish: Wish, grains: Grains) -> np.ndarray:
    """The source as wished for, [H, W, 3] float32 in [0, 1]: first what it is made of, then the weather, then style."""
    picture = source.picture
    if wish.colour or wish.material or wish.pattern:
        picture = repaint(source, wish.colour, wish.material, wish.pattern, wish.region, grains)
    if wish.scene:
        picture = paint_scene(replace(source, picture=picture * source.mask[..., None]), wish.scene, grains)
    if wish.style:
        picture = STYLES[wish.style](np.ascontiguousarray(picture, np.float32), source.mask, grains)
    return np.clip(picture * source.mask[..., None], 0, 1).astype(np.float32)
