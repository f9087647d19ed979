"""What an edit starts from, in training: a picture, what of it is there, and what its parts are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Source:
    """A picture to edit.

    Attributes
    ----------
    picture
        [H, W, 3] float32 in [0, 1], black outside of the mask.
    mask
        [H, W] float32 of 0 or 1.
    kind
        "object", cut out on black as a keyframe is, or "place", whole or with the ragged border of an atlas.
    name
        The noun of what it shows, where that is known.
    regions
        Parts that are known, [H, W] float32 in [0, 1] each, by their nouns ("roof", "sky", "trees", "ground").
    distance
        [H, W] float32 in [0, 1], of places whose depth is known: 0 is here, 1 the horizon and the sky.
    """

    picture: np.ndarray
    mask: np.ndarray
    kind: str
    name: str | None = None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    distance: np.ndarray | None = None
