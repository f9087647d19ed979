"""Words -> the foreground atlas: keyframes painted one after the other, each from what the earlier ones left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..color.source_detail import keep_detail
from ..diffusion.settle import paint_size, settings_of, with_seed
from ..layers.layered_video import LayeredVideo
from ..layers.warp import Region
from ..options import ForegroundOptions
from ..parse import parse_frames
from ..progress import Progress, quiet, within
from ..video.pictures import resample, resize
from .aggregation import aggregate_by_network
from .choice import choose_keyframes, keyframe_region
from .drift import drift_gain
from .keyframe import Keyframe, reconstruction_error
from .merge import Lift, merge, reach
from .painting import Edit

if TYPE_CHECKING:
    from ..diffusion.hints import HintsMaker
    from ..diffusion.picture_editor import PictureEditor

SEEN = 0.5  # an earlier edit counts as seen from this coverage on
PAINTING = 0.9  # of the time, about; the rest goes into merging


@dataclass(frozen=True)
class _Brush:
    """What every keyframe of an edit is painted with."""

    clip: LayeredVideo
    prompt: str
    editor: "PictureEditor"
    options: ForegroundOptions
    make_hints: "HintsMaker"
    generator: torch.Generator


def edit_foreground(
    clip: LayeredVideo,
    prompt: str,
    editor: "PictureEditor",
    options: ForegroundOptions | None = None,
    progress: Progress = quiet,
    watch: Callable[[Tensor], None] | None = None,
) -> Edit:
    """Paint keyframes of the foreground one after the other and merge them into one atlas.

    `watch` is shown what the atlas [3, Ha, Wa] is after each keyframe, before all of them are made to agree.

    Inter-frame propagation: the first keyframe is painted from noise; for each further one the edits so far
    are mapped through the atlas into its frame, noised to `options.strength` and denoised under its own
    hints, so that their appearance carries over. What no earlier keyframe saw starts from noise.

    Raises InputError for an empty prompt, keyframes that are none, hints that the model does not follow, or missing
    weights.
    """
    options = with_seed(options or ForegroundOptions(**editor.spec.defaults))
    editor.check(prompt, options)
    frames = _frames(clip, options.keyframes)
    options = replace(options, keyframes=", ".join(map(str, frames)))
    strengths = editor.strengths(options, "canny")
    generator = torch.Generator().manual_seed(options.seed)
    brush = _Brush(clip, prompt, editor, options, editor.hints_maker(strengths, options), generator)
    keyframes: list[Keyframe] = []
    lifts: list[Lift] = []
    share = PAINTING / len(frames)
    for i, frame in enumerate(frames):
        step = within(progress, share * i, share * (i + 1), f"keyframe {i + 1} of {len(frames)}, ")
        keyframe, lift = _paint_keyframe(brush, frame, lifts, step)
        keyframes.append(keyframe)
        lifts.append(lift)
        if watch is not None:
            watch(merge(clip.foreground.atlas, lifts)[0].cpu())
    progress(PAINTING, "merging the keyframes")
    atlas, changed = _one_atlas(clip, keyframes, lifts, options, within(progress, PAINTING, 1))
    settings = {"layer": "foreground", **settings_of(prompt, editor, strengths, options)}
    settings["keyframe_error"] = round(reconstruction_error(clip.foreground, clip.size, atlas, keyframes), 5)
    return Edit(atlas.cpu(), changed.cpu(), tuple(keyframes), settings)


def propagate(
    clip: LayeredVideo, frame: int, region: Region, size: tuple[int, int], earlier: Sequence[Lift]
) -> tuple[Tensor, Tensor]:
    """The edits so far, mapped through the atlas into another frame's region.

    Returns
    -------
    picture, seen
        [3, h, w] in [0, 1] at `size`, and [1, h, w], 1 where an earlier keyframe saw the texel.
    """
    layer = clip.foreground
    merged, _ = merge(layer.atlas, earlier)
    both = layer.sample(torch.cat([merged, reach(layer.atlas, earlier)]), [frame], clip.size, region)
    return resample(both[0, :3], size), (resize(both[:, 3:], size)[0] > SEEN).float()


def lift_keyframe(clip: LayeredVideo, frame: int, region: Region, after: Tensor) -> Lift:
    """Lay a painted region [3, h, w] in [0, 1] of a frame on the foreground atlas."""
    return Lift.pack(*clip.lift("foreground", frame, after, region))


def _frames(clip: LayeredVideo, keyframes: str) -> list[int]:
    auto = keyframes.strip() == "auto"
    return choose_keyframes(clip) if auto else parse_frames(keyframes, clip.frame_count, "keyframe")


def _paint_keyframe(brush: _Brush, frame: int, earlier: Sequence[Lift], progress: Progress) -> tuple[Keyframe, Lift]:
    clip, options = brush.clip, brush.options
    top, left, bottom, right = region = keyframe_region(clip, frame)
    window = (..., slice(top, bottom), slice(left, right))
    size = paint_size((bottom - top, right - left), options.resolution)
    alpha = resize(clip.alpha([frame])[window], size)[0]
    source = resample(clip.source([frame])[window][0], size)
    before = source * alpha
    hints = brush.make_hints(before, size)
    start = seen = None
    if earlier:
        carried, known = propagate(clip, frame, region, size, earlier)
        start, seen = torch.lerp(before, carried, known) * alpha, known * (alpha > SEEN)
    after = brush.editor.paint(brush.prompt, hints, options, brush.generator, start, seen, options.strength, progress)
    kept = brush.editor.spec.kept_detail(brush.prompt, options)
    after = keep_detail(after, source.to(after), kept, alpha.to(after))
    lift = lift_keyframe(clip, frame, region, after.to(clip.device))
    if earlier and options.color_correction:
        after = (after * drift_gain(clip.foreground.atlas, earlier, lift).to(after)).clamp(0, 1)
        lift = lift_keyframe(clip, frame, region, after.to(clip.device))
    return Keyframe.pack(frame, region, before, hints[0].picture, after, alpha), lift


def _one_atlas(
    clip: LayeredVideo,
    keyframes: Sequence[Keyframe],
    lifts: Sequence[Lift],
    options: ForegroundOptions,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """The merged atlas [3, Ha, Wa], and how much of each texel is edit [1, Ha, Wa]."""
    layer = clip.foreground
    atlas, changed = merge(layer.atlas, lifts)
    if options.aggregation == "network":
        atlas = aggregate_by_network(layer, clip.size, atlas, changed, keyframes, seed=options.seed, progress=progress)
    return atlas, changed
