"""Optical flow between frames, and where it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..checkpoint import load_strictly, read_checkpoint
from ..download import download
from ..progress import Progress, quiet

# A flow is trusted where going there and back ends within this of the start (Sundaram et al. 2010): a share of the
# squared lengths, and square pixels.
RELATIVE, ABSOLUTE_PX2 = 0.01, 0.5
RAFT_SIDE_PX = 128

# Two frames, uint8 [H, W, 3] -> the flow from the first to the second, [H, W, 2] in pixels.
Search = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ClipFlow:
    """Flow between neighbouring frames, both ways.

    Attributes
    ----------
    forward, backward
        float16 [T - 1, H, W, 2] in pixels, (x, y) order: from frame i to i + 1, and from i + 1 to i.
    forward_valid, backward_valid
        bool [T - 1, H, W]: where the two agree, on frame i and on frame i + 1.
    """

    forward: np.ndarray
    backward: np.ndarray
    forward_valid: np.ndarray
    backward_valid: np.ndarray


def clip_flow(frames: Sequence[np.ndarray], progress: Progress = quiet, search: Search | None = None) -> ClipFlow:
    """Flow of a clip of frames, each uint8 [H, W, 3], RGB; by dense inverse search where no other search is given."""
    search = search or dense_inverse_search()
    height, width = frames[0].shape[:2]
    forward = np.empty((len(frames) - 1, height, width, 2), np.float16)
    backward, valid = np.empty_like(forward), np.empty((2, *forward.shape[:3]), bool)
    for i, (first, second) in enumerate(pairwise(frames)):
        there, back = search(first, second), search(second, first)
        forward[i], backward[i] = there, back
        valid[0, i], valid[1, i] = agree(there, back), agree(back, there)
        progress((i + 1) / len(forward), f"motion of frame {i + 1}")
    return ClipFlow(forward, backward, valid[0], valid[1])


def dense_inverse_search(fine: bool = False) -> Search:
    """Kroeger et al. 2016, OpenCV's: milliseconds a pair. Several threads may search at once.

    Half of the frames' size is enough for most; `fine` searches at all of it, in three times the time.
    """

    def search(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        # One for each search, since it keeps what it works on. Any, since its stub knows no None: a flow that is given
        # is where it begins to search.
        engine: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        if fine:
            engine.setFinestScale(0)
        return engine.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)), None)

    return search


def raft(ckpt: Path, device: torch.device) -> Search:
    """RAFT (Teed and Deng 2020), torchvision's large one: better at fast and thin things, seconds a pair on a CPU.

    Its weights are looked for in `ckpt`, and downloaded into it. Raises InputError where neither works.
    """
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

    url = Raft_Large_Weights.DEFAULT.url
    path = ckpt / url.rsplit("/", 1)[1]
    if not path.is_file():
        # Its name ends with the beginning of its checksum.
        download(url, path, path.stem.rsplit("-", 1)[1], "use the flow `dis`")
    network = raft_large()
    load_strictly(network, read_checkpoint(path), path, "RAFT's large network")
    return raft_search(network.to(device).eval())


def raft_search(network: torch.nn.Module) -> Search:
    """Search with a RAFT network, on its device."""
    device = next(network.parameters()).device

    @torch.inference_mode()
    def search(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        # The network wants sides that 8 divides, and sees nothing in less than 128 pixels.
        size = [max(RAFT_SIDE_PX, 8 * round(side / 8)) for side in (height, width)]
        pair = [torch.from_numpy(frame).to(device).permute(2, 0, 1)[None] / 127.5 - 1 for frame in (first, second)]
        pair = [F.interpolate(frame, size, mode="bilinear", align_corners=False) for frame in pair]
        found = F.interpolate(network(*pair)[-1], (height, width), mode="bilinear", align_corners=False)[0]
        scale = torch.tensor([width / size[1], height / size[0]], device=device)[:, None, None]
        return (found * scale).permute(1, 2, 0).cpu().numpy()

    return search


def agree(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where following `there` and then `back` returns to the start; both [H, W, 2] pixels -> bool [H, W]."""
    returned = warp(back, there, outside=1e3)
    return _squared(there + returned) < RELATIVE * (_squared(there) + _squared(returned)) + ABSOLUTE_PX2


def _squared(flow: np.ndarray) -> np.ndarray:
    """The squared lengths [H, W] of a flow; NumPy's own sum over so short an axis takes ten times longer."""
    return np.square(flow[..., 0]) + np.square(flow[..., 1])


def warp(picture: np.ndarray, flow: np.ndarray, outside: float = 0.0) -> np.ndarray:
    """Look at a picture [H, W, ...] where flow [H, W, 2] points; `outside` where it points off the picture."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    flow = flow.astype(np.float32)
    return cv2.remap(
        picture,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[outside] * 4,
    )
