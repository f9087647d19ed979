"""A layered video and words -> edited atlases: the background as a whole, the foreground by keyframes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .aggregate import Keyframe, aggregate_by_network, merge, reconstruction_error
from .diffusion.hints import HintKind, HintMaker, canny, depth
from .errors import InputError
from .lattice import Region
from .layer import resize
from .layers import LayeredVideo
from .options import BackgroundOptions, DiffusionOptions, ForegroundOptions
from .progress import Progress, quiet, within

if TYPE_CHECKING:
    from .diffusion.editor import Editor


MARGIN = 0.06  # of the matte's box, around a keyframe's crop
MAX_ASPECT = 2.5  # a longer crop gets more margin on its short sides
GRID_PX = 64  # a picture's sides are multiples of this: eight latents, three halvings in the UNet
AUTO_KEYFRAMES = 4  # at most, when they are chosen here
AUTO_GAIN = 0.02  # of the atlas that a further keyframe must add
SEEN = 0.5  # an earlier edit counts as seen from this coverage on


@dataclass(frozen=True)
class Edit:
    """What an edit gives.

    Attributes
    ----------
    atlas
        [3, Ha, Wa] in [0, 1], edited; the layer's own where no keyframe reached.
    changed
        [1, Ha, Wa] in [0, 1]: how much of each texel is edit.
    keyframes
        Empty for the background.
    settings
        Everything needed to run it again: prompt, model, hint, options, and the seed that was used.
    """

    atlas: Tensor
    changed: Tensor
    keyframes: tuple[Keyframe, ...]
    settings: dict

    def without_lifts(self) -> "Edit":
        """The same without the keyframes' lifts, which are as large as the atlas and no longer needed."""
        nothing = torch.empty(0)
        light = [replace(keyframe, colours=nothing, coverage=nothing) for keyframe in self.keyframes]
        return replace(self, keyframes=tuple(light))


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
    options = _with_seed(options or BackgroundOptions(**editor.spec.defaults))
    kind = editor.hint_for("depth")
    make_hint = _hint_maker(kind, editor, options)
    atlas = clip.background.atlas
    size = paint_size(atlas.shape[1:], options.resolution)
    small = resize(atlas[None], size)[0]
    generator = torch.Generator().manual_seed(options.seed)
    painted = editor.paint(prompt, make_hint(small), kind, options, generator, progress=progress)
    edited = F.interpolate(painted[None], atlas.shape[1:], mode="bicubic", align_corners=False)[0]
    coverage = clip.background.coverage
    edited = torch.lerp(atlas, edited.clamp(0, 1).to(atlas.device), coverage)
    return Edit(edited, coverage, (), _settings("background", prompt, editor, kind, options))


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
    options = _with_seed(options or ForegroundOptions(**editor.spec.defaults))
    frames = (
        choose_keyframes(clip)
        if options.keyframes.strip() == "auto"
        else parse_keyframes(options.keyframes, clip.frame_count)
    )
    options = replace(options, keyframes=", ".join(map(str, frames)))
    kind = editor.hint_for("canny")
    make_hint = _hint_maker(kind, editor, options)
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
    settings = _settings("foreground", prompt, editor, kind, options)
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


def keyframe_region(clip: LayeredVideo, frame: int) -> Region:
    """The matte's box in a frame with a margin, in the clip's pixels. Raises InputError where it is empty."""
    alpha = clip.alpha([frame])[0, 0] > SEEN
    rows, columns = alpha.any(1).nonzero()[:, 0], alpha.any(0).nonzero()[:, 0]
    if not len(rows):
        raise InputError(f"frame {frame} shows nothing of the foreground; choose another keyframe.")
    spans = []
    low_high = [(rows[0].item(), rows[-1].item() + 1), (columns[0].item(), columns[-1].item() + 1)]
    longest = max(high - low for low, high in low_high)
    for (low, high), limit in zip(low_high, clip.size, strict=True):
        length = min(limit, max(round((high - low) * (1 + 2 * MARGIN)), round(longest / MAX_ASPECT), 8))
        first = min(max(0, round((low + high - length) / 2)), limit - length)
        spans.append((first, first + length))
    (top, bottom), (left, right) = spans
    return top, left, bottom, right


def paint_size(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size to paint at: short side near `resolution`, both sides multiples of 64, aspect about kept."""
    scale = resolution / min(size)
    return tuple(max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in size)


def parse_keyframes(text: str, frame_count: int) -> list[int]:
    """'0, 20, 40' -> [0, 20, 40]; each once, in the order given. Raises InputError naming what is wrong."""
    words = text.replace(",", " ").split()
    if not words:
        raise InputError("no keyframe is given; write frame numbers such as '0, 20, 40', or 'auto'.")
    frames = []
    for word in words:
        if not word.isascii() or not word.isdigit():
            raise InputError(f"{word!r} is no keyframe; write frame numbers such as '0, 20, 40', or 'auto'.")
        if int(word) >= frame_count:
            raise InputError(f"keyframe {word} is out of range; the clip has frames 0 to {frame_count - 1}.")
        frames.append(int(word))
    return list(dict.fromkeys(frames))


def choose_keyframes(clip: LayeredVideo) -> list[int]:
    """Few frames that together cover the foreground atlas: greedily the one that adds most.

    Coverage is weighed by how fully the frame shows the texel (alpha) and counted on a coarse atlas.
    """
    layer, size = clip.foreground, clip.size
    cell = max(1, round(max(layer.size) / 96))
    height, width = (-(-side // cell) for side in layer.size)
    candidates = list(range(0, clip.frame_count, max(1, clip.frame_count // 24)))
    covered = torch.zeros(len(candidates), height * width)
    for i, frame in enumerate(candidates):
        alpha = clip.alpha([frame])[0, 0]
        uv = layer.uv([frame], size)[0][alpha > SEEN]
        scale = torch.tensor([width, height], device=uv.device)
        index = ((uv + 1) / 2 * scale).long().clamp(min=0).minimum(scale - 1)
        covered[i, (index[:, 1] * width + index[:, 0]).cpu()] = 1
    everything = covered.amax(0).sum().clamp(min=1)
    chosen: list[int] = []
    known = torch.zeros_like(covered[0])
    while len(chosen) < AUTO_KEYFRAMES:
        gain = (covered - known).clamp(min=0).sum(1)
        best = int(gain.argmax())
        if chosen and gain[best] < AUTO_GAIN * everything:
            break
        chosen.append(candidates[best])
        known = torch.maximum(known, covered[best])
    return chosen


def _hint_maker(kind: HintKind, editor: "Editor", options: DiffusionOptions) -> HintMaker:
    if kind == "depth":
        resolution = getattr(options, "depth_resolution", BackgroundOptions().depth_resolution)
        return depth(editor.ckpt, resolution, editor.device)
    thresholds = options if isinstance(options, ForegroundOptions) else ForegroundOptions()
    return canny(thresholds.canny_low, thresholds.canny_high)


def _with_seed(options: DiffusionOptions) -> DiffusionOptions:
    """Draw the seed now if it is left open, so that what is recorded is what was used."""
    if options.seed >= 0:
        return options
    return replace(options, seed=int(torch.seed() % 2**31))


def _settings(layer: str, prompt: str, editor: "Editor", kind: HintKind, options: DiffusionOptions) -> dict:
    return {"layer": layer, "prompt": prompt, "model": editor.name, "hint": kind, **vars(options)}
