"""Words -> the foreground atlas: keyframes painted one after the other, each from what the earlier ones left."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..diffusion.hints import HintMaker
from ..diffusion.spec import HintKind
from ..layers.layered_video import LayeredVideo
from ..layers.warp import Region
from ..options import ForegroundOptions
from ..progress import Progress, quiet, within
from ..video.pictures import resize
from .merge import Keyframe, aggregate_by_network, merge, reconstruction_error
from .painting import Edit, hint_maker, paint_size, settings_of, with_seed

if TYPE_CHECKING:
    from ..diffusion.editor import Editor


from .choice import choose_keyframes, keyframe_region, parse_keyframes

SEEN = 0.5  # an earlier edit counts as seen from this coverage on


def edit_foreground(
    clip: LayeredVideo,
    prompt: str,
    editor: "Editor",
    options: ForegroundOptions | None = None,
    progress: Progress = quiet,
) -> Edit:
    """Paint keyframes of the foreground one after the other and merge them into one atlas.

    Inter-frame propagation: the first keyframe is painted from noise; for each further one the edits so far
    are mapped through the atlas into its frame, noised to `options.strength` and denoised under its own
    hint, so that their appearance carries over. What no earlier keyframe saw starts from noise.

    Raises InputError for an empty prompt, keyframes that are none, or missing weights.
    """
    options = with_seed(options or ForegroundOptions(**editor.spec.defaults))
    frames = (
        choose_keyframes(clip)
        if options.keyframes.strip() == "auto"
        else parse_keyframes(options.keyframes, clip.frame_count)
    )
    options = replace(options, keyframes=", ".join(map(str, frames)))
    kind = editor.hint_for("canny")
    make_hint = hint_maker(kind, editor, options)
    generator = torch.Generator().manual_seed(options.seed)
    done: list[Keyframe] = []
    share = 0.9 / len(frames)
    for i, frame in enumerate(frames):
        step = within(progress, share * i, share * (i + 1), f"keyframe {i + 1} of {len(frames)}, ")
        done.append(_edit_keyframe(clip, frame, prompt, editor, options, kind, make_hint, generator, done, step))
    progress(0.9, "merging the keyframes")
    layer = clip.foreground
    atlas, changed = merge(layer.atlas, [k.colours for k in done], [k.coverage for k in done])
    if options.aggregation == "network":
        atlas = aggregate_by_network(
            layer,
            clip.size,
            atlas,
            changed,
            done,
            seed=options.seed,
            progress=within(progress, 0.9, 1),
        )
    settings = settings_of("foreground", prompt, editor, kind, options)
    settings["keyframe_error"] = round(reconstruction_error(layer, clip.size, atlas, done), 5)
    return Edit(atlas, changed, tuple(done), settings)


def _edit_keyframe(
    clip: LayeredVideo,
    frame: int,
    prompt: str,
    editor: "Editor",
    options: ForegroundOptions,
    kind: HintKind,
    make_hint: HintMaker,
    generator: torch.Generator,
    earlier: Sequence[Keyframe],
    progress: Progress,
) -> Keyframe:
    region = keyframe_region(clip, frame)
    top, left, bottom, right = region
    size = paint_size((bottom - top, right - left), options.resolution)
    window = (..., slice(top, bottom), slice(left, right))
    alpha = resize(clip.alpha([frame])[window], size)[0]
    before = resize(clip.source([frame])[window], size)[0] * alpha
    hint = make_hint(before)
    start = seen = None
    if earlier:
        start, seen = propagate(clip, frame, region, size, earlier)
        start, seen = torch.lerp(before, start, seen) * alpha, seen * (alpha > SEEN)
    after = editor.paint(prompt, hint, kind, options, generator, start, seen, options.strength, progress).to(
        clip.device
    )
    colours, coverage = clip.lift("foreground", frame, after, region)
    return Keyframe(frame, region, before, hint, after, alpha, colours, coverage)


def propagate(
    clip: LayeredVideo, frame: int, region: Region, size: tuple[int, int], earlier: Sequence[Keyframe]
) -> tuple[Tensor, Tensor]:
    """The edits so far, mapped through the atlas into another frame's region.

    Returns
    -------
    picture, seen
        [3, h, w] in [0, 1] at `size`, and [1, h, w], 1 where an earlier keyframe saw the texel.
    """
    layer = clip.foreground
    colours, coverages = [k.colours for k in earlier], [k.coverage for k in earlier]
    merged, _ = merge(layer.atlas, colours, coverages)
    known = torch.stack(coverages).amax(0)
    both = layer.sample(torch.cat([merged, known]), [frame], clip.size, region)
    both = resize(both, size)[0]
    return both[:3], (both[3:] > SEEN).float()
