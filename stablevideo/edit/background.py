"""Words -> the background atlas, painted as one picture."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..color.source_detail import keep_detail
from ..diffusion.settle import paint_size, settings_of, with_seed
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions
from ..progress import Progress, quiet
from ..video.pictures import resample, resize
from .painting import Edit

if TYPE_CHECKING:
    from ..diffusion.picture_editor import PictureEditor


def edit_background(
    clip: LayeredVideo,
    prompt: str,
    editor: "PictureEditor",
    options: BackgroundOptions | None = None,
    progress: Progress = quiet,
    watch: Callable[[Tensor], None] | None = None,
) -> Edit:
    """Paint the whole background atlas anew, under the hints asked for, else its depth, where the model follows depth.

    `watch` is shown between steps, roughly, what the atlas is by then: [3, Ha, Wa] in [0, 1].

    Raises InputError for an empty prompt, hints that the model does not follow, or missing weights, Cancelled if the
    progress callback says so.
    """
    options = with_seed(options or BackgroundOptions(**editor.spec.defaults))
    editor.check(prompt, options)
    strengths = editor.strengths(options, "depth")
    layer = clip.background
    hints = editor.hints_maker(strengths, options)(layer.atlas, paint_size(layer.size, options.resolution))
    generator = torch.Generator().manual_seed(options.seed)
    atlas, coverage = layer.atlas.cpu(), layer.coverage.cpu()

    def show(picture: Tensor) -> None:
        if watch is not None:
            watch(torch.lerp(atlas, resize(picture[None], layer.size)[0], coverage))

    painted = editor.paint(prompt, hints, options, generator, progress=progress, watch=show if watch else None)
    painted = keep_detail(resample(painted, layer.size), atlas, editor.spec.kept_detail(prompt, options), coverage)
    edited = torch.lerp(atlas, painted, coverage)
    return Edit(edited, coverage, (), {"layer": "background", **settings_of(prompt, editor, strengths, options)})
