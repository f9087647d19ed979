"""Words -> the background atlas, painted as one picture."""

from typing import TYPE_CHECKING

import torch

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
    """Paint the whole background atlas anew, under its depth (or its edges, where the model has no depth).

    Raises InputError for an empty prompt or missing weights, Cancelled if the progress callback says so.
    """
    options = with_seed(options or BackgroundOptions(**editor.spec.defaults))
    editor.check(prompt, options)
    kind = editor.hint_for("depth")
    layer = clip.background
    hint = editor.hint_maker(kind, options)(layer.atlas, paint_size(layer.size, options.resolution))
    generator = torch.Generator().manual_seed(options.seed)
    painted = editor.paint(prompt, hint, kind, options, generator, progress=progress)
    atlas, coverage = layer.atlas.cpu(), layer.coverage.cpu()
    edited = torch.lerp(atlas, resample(painted, layer.size), coverage)
    return Edit(edited, coverage, (), {"layer": "background", **settings_of(prompt, editor, kind, options)})
