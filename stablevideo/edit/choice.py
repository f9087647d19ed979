"""Which frames become keyframes, and which part of each is painted."""

import torch

from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..layers.warp import Region

MARGIN = 0.06  # of the matte's box, around a keyframe's crop
MAX_ASPECT = 2.5  # a longer crop gets more margin on its short sides
AUTO_KEYFRAMES = 4  # at most, when they are chosen here
AUTO_GAIN = 0.02  # of the atlas that a further keyframe must add
SEEN = 0.5  # of a pixel, from which on it shows the foreground


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
