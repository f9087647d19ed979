"""Other colours for a layer, without words."""

from dataclasses import replace

from ..color.recolour import recolour_picture
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..options import RecolourOptions
from .painting import Edit, recorded


def recolour(
    clip: LayeredVideo, layer: LayerName, options: RecolourOptions | None = None, edited: Edit | None = None
) -> Edit:
    """Turn, strengthen and lighten a layer's colours in CIE LCh; shapes and texture stay.

    Parameters
    ----------
    edited
        An edit of this layer to recolour in place of the layer's own atlas. One that is itself recoloured is recoloured
        from what it was before, so that options never add up.

    Texels that no frame sees are recoloured too, so that no rim of the old colours is left at the edge of those seen.
    """
    options, own = options or RecolourOptions(), clip.layer(layer)
    plain = edited or Edit(own.atlas.cpu(), own.coverage.cpu(), (), {"layer": layer})
    before = plain.atlas if plain.uncoloured is None else plain.uncoloured
    again = plain.uncoloured is not None
    settings = recorded(plain.settings, {"recolour": vars(options)}, in_place=again)
    changed = plain.changed.maximum(own.coverage.cpu())
    return replace(
        plain, atlas=recolour_picture(before, options), changed=changed, settings=settings, uncoloured=before
    )
