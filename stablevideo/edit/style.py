"""A style picture -> a layer's atlas in its look: the same strokes on the same places in every frame."""

from __future__ import annotations

from collections.abc import Mapping

from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..options import StyleOptions
from ..progress import Progress, quiet, within
from ..style.finish import Finish
from ..style.paint import Painter
from ..style.sct import Moments
from ..video.pictures import resample, resize
from .painting import Edit

DETAIL = 1.25  # texels a pixel, at which an atlas is painted: strokes are then as large as they are in a frame


def stylize_layers(
    clip: LayeredVideo,
    painters: Mapping[LayerName, Painter],
    options: StyleOptions | None = None,
    progress: Progress = quiet,
) -> dict[LayerName, Edit]:
    """Each layer that has a painter, in its style.

    Layers in one style are painted by what a whole frame is like: each by itself, they would come out equally light and
    equally coloured, and a dark bear would vanish before its wall.
    """
    distinct = {*painters.values()}
    together = frame_look(clip, *distinct) if len(distinct) == 1 < len(painters) else None
    shares = {layer: place / len(painters) for place, layer in enumerate(painters)}
    return {
        layer: stylize_layer(clip, layer, painter, options, None, together, within(progress, shares[layer], 1))
        for layer, painter in painters.items()
    }


def frame_look(clip: LayeredVideo, painter: Painter) -> tuple[list[Moments], Finish]:
    """By what the middle frame of a clip is painted: moments of its features, and what its strokes still lack."""
    seen = painter.see(clip.source([clip.frame_count // 2])[0].cpu())
    return seen.moments, painter.finish(seen, painter.strokes(seen))


def stylize_layer(
    clip: LayeredVideo,
    layer: LayerName,
    painter: Painter,
    options: StyleOptions | None = None,
    edited: Edit | None = None,
    look: tuple[list[Moments], Finish] | None = None,
    progress: Progress = quiet,
) -> Edit:
    """Paint a layer's atlas, or an edit of it, in the style that a painter has in hand.

    `look` is what it is painted by, as `frame_look` has it; what the atlas itself is like without.

    The atlas is painted at about the size at which frames show it. Texels that no frame sees are painted too, so that
    no rim of the old look is left at the edge of those seen, but have no say in what the atlas is like.
    """
    options, own = options or StyleOptions(), clip.layer(layer)
    before = own.atlas.cpu() if edited is None else edited.atlas
    coverage = own.coverage.cpu()
    progress(0, f"painting the {layer} atlas")
    factor = max(1.0, own.texels_a_pixel(clip.size) / DETAIL)
    height, width = (max(1, round(side / factor)) for side in own.size)
    small, counts = resample(before, (height, width)), resize(coverage[None], (height, width))[0]
    seen = painter.see(small, counts)
    strokes = painter.strokes(seen, look[0] if look else None)
    finish = look[1] if look else painter.finish(seen, strokes)
    made = painter.finished(seen, strokes, finish, 1.0, options.keep_colours).cpu()
    atlas = before.lerp(resample(made, own.size), options.strengths()[0][1])
    progress(1, f"painted the {layer} atlas")
    keyframes, settings = (edited.keyframes, edited.settings) if edited else ((), {"layer": layer})
    style = {**painter.settings, **vars(options)}
    return Edit(atlas, coverage, keyframes, {**settings, "style": style})
