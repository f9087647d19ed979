"""Words -> the background atlas, painted as one picture."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions
from ..progress import Progress, quiet
from ..video.pictures import resize
from .painting import Edit, hint_maker, paint_size, settings_of, with_seed

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
    kind = editor.hint_for("depth")
    make_hint = hint_maker(kind, editor, options)
    atlas = clip.background.atlas
    size = paint_size(atlas.shape[1:], options.resolution)
    small = resize(atlas[None], size)[0]
    generator = torch.Generator().manual_seed(options.seed)
    painted = editor.paint(prompt, make_hint(small), kind, options, generator, progress=progress)
    edited = F.interpolate(painted[None], atlas.shape[1:], mode="bicubic", align_corners=False)[0]
    coverage = clip.background.coverage
    edited = torch.lerp(atlas, edited.clamp(0, 1).to(atlas.device), coverage)
    return Edit(edited, coverage, (), settings_of("background", prompt, editor, kind, options))
