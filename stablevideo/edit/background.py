"""Words -> the background atlas, painted as one picture."""

from typing import TYPE_CHECKING

import torch

from ..color.source_detail import keep_detail
from ..diffusion.settle import paint_size, settings_of, with_seed
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions
from ..progress import Progress, quiet
from ..video.pictures import resample
from .painting import Edit

if TYPE_CHECKING:
    from ..diffusion.editor import Editor


def edit_background(
    clip: LayeredVideo,
    prompt: str,
    editor: "Editor",
    options: BackgroundOptions | None = None,
    progress: Progress = quiet,
) -> Edit:
    """Paint the whole background atlas anew, under the hints asked for, else its depth, where the model follows depth.

    Raises InputError for an empty prompt, hints that the model does not follow, or missing weights, Cancelled if the
    progress callback says so.
    """
    options = with_seed(options or BackgroundOptions(**editor.spec.defaults))
    editor.check(prompt, options)
    strengths = editor.strengths(options, "depth")
    layer = clip.background
    hints = editor.hints_maker(strengths, options)(layer.atlas, paint_size(layer.size, options.resolution))
    generator = torch.Generator().manual_seed(options.seed)
    painted = editor.paint(prompt, hints, options, generator, progress=progress)
    atlas, coverage = layer.atlas.cpu(), layer.coverage.cpu()
    painted = keep_detail(resample(painted, layer.size), atlas, options.keep_detail, coverage)
    edited = torch.lerp(atlas, painted, coverage)
    return Edit(edited, coverage, (), {"layer": "background", **settings_of(prompt, editor, strengths, options)})
