"""What a caption asks for, as the painters of targets take it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """The looks that a caption calls; None is: not asked for.

    Attributes
    ----------
    colour
        sRGB in 0..255 of the colour's middle tone.
    material
        What things are made of: "wood", "gold", ...
    pattern
        "stripes", "dots" or "checks", upon colour or material.
    scene
        Weather, season, light: "snow", "night", ...
    style
        How it is drawn: "oil", "sketch", ...
    region
        The part alone that colour, material and pattern change: "roof", "sky", ...; the whole object by default.
    """

    colour: tuple[int, int, int] | None = None
    material: str | None = None
    pattern: str | None = None
    scene: str | None = None
    style: str | None = None
    region: str | None = None
