"""What a fit knows at a time: both layers and the matte, and the clip they are held against.

Work goes through the clip in chunks of a few frames, so that what is computed at a time does not grow with it: only
frames (8 bits) and flow (16) do. The foreground is looked at where it may be only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import one_thread_a_core
from ..layers.coords import LAYER_NAMES
from ..layers.matte import shares
from ..layers.warp import Region
from ..video.flow import ClipFlow
from .cells import Cells
from .scaled import ScaledClip
from .sheet import Sheet

CHUNK_PX = {"cpu": 400_000, "cuda": 8_000_000}  # pixels of frames at a time: what caches hold; what fills a GPU
EDGE = 5  # pixels across which no other layer shows, around a pixel that is clearly one layer's
MOST_SUMS = 4  # kept side by side: each is as large as some atlases
RIM = 0.02  # what others count in the foreground

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Part:
    """One layer in some frames: where it may be, its share of those pixels, where they lie on its atlas, its light.

    `share` is [n, 1, h, w] in [0, 1], `texels` [n, h, w, 2], `light` [n, 3, h, w].
    """

    sheet: Sheet
    region: Region
    share: Tensor
    texels: Tensor
    light: Tensor


class Estimate:
    """Foreground and background sheet, and alpha.

    Attributes
    ----------
    clip, view
        Frames, masks and flow at the clip's own size, and at the size they are looked at now.
    sheets
        Foreground, background.
    alpha
        uint8 [T, 1, H, W], at the clip's own size.
    """

    def __init__(
        self,
        frames: Tensor,
        masks: Tensor,
        flow: ClipFlow,
        foreground_maps: np.ndarray,
        background_maps: np.ndarray,
        device: torch.device,
    ) -> None:
        """frames uint8 [T, 3, H, W]; masks bool [T, H, W]; maps [T, 3, 3]."""
        self.device = device
        self.clip = self.view = ScaledClip.of(frames, masks, flow, device)
        maps = (foreground_maps, background_maps)
        self.sheets = [Sheet(name, own, self.clip.size, device) for name, own in zip(LAYER_NAMES, maps, strict=True)]
        self.alpha = self.clip.masks.clone()

    def chunks(self) -> Iterator[list[int]]:
        """Frame numbers, a few at a time."""
        height, width = self.view.size
        length = max(1, CHUNK_PX["cuda" if self.device.type == "cuda" else "cpu"] // (height * width))
        for start in range(0, len(self.alpha), length):
            yield list(range(start, min(start + length, len(self.alpha))))

    def side_by_side(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
        """What work makes of each job, in order: on a CPU each on one core, as most steps are too small to share out.

        A job must not read what another one writes.
        """
        if self.device.type == "cuda":
            return [work(job) for job in jobs]
        with one_thread_a_core() as (pool, _):
            return list(pool.map(work, jobs))

    def added_up(self, planes: int, add: Callable[[list[Tensor], list[int]], None]) -> list[Tensor]:
        """Sums over all chunks for each sheet, [planes, Ha, Wa], that `add` adds a chunk to.

        Each core has its own, so that the order of additions, and with it the result, is the same in every run.
        """

        def sums(chunks: list[list[int]]) -> list[Tensor]:
            totals = [sheet.nodes.new_zeros(planes, *sheet.atlas_size) for sheet in self.sheets]
            for chunk in chunks:
                add(totals, chunk)
            return totals

        chunks = list(self.chunks())
        count = 1 if self.device.type == "cuda" else min(MOST_SUMS, torch.get_num_threads())
        first, *others = self.side_by_side(sums, [chunks[start::count] for start in range(count)])
        for totals in others:
            for total, more in zip(first, totals, strict=True):
                total += more
        return first

    def frame(self, frames: list[int]) -> Tensor:
        """[n, 3, H, W] in [0, 1], at the size looked at."""
        return self.view.frames[frames].float() / 255

    def matte(self, frames: list[int]) -> Tensor:
        """[n, 1, H, W] in [0, 1], at the size looked at: it is solved for at the clip's own only."""
        full = self.view.size == self.clip.size
        return (self.alpha if full else self.view.masks)[frames].float() / 255

    def parts(self, frames: list[int]) -> tuple[Part, Part]:
        """Foreground and background in some frames."""
        parts, size = [], self.view.size
        for sheet, region, share in zip(
            self.sheets, self.regions(frames), shares(self.matte(frames)).values(), strict=True
        ):
            texels, light = sheet.texels(frames, size, region), sheet.lights(frames, size, region)
            parts.append(Part(sheet, region, crop(share, region), texels, light))
        return parts[0], parts[1]

    def regions(self, frames: list[int]) -> tuple[Region, Region]:
        """Where either layer is looked at."""
        return self.view.window(frames), (0, 0, *self.view.size)

    def error(self) -> float:
        """The mean squared error of the render as it is now, at the size looked at."""
        pictures = [sheet.seen(sheet.atlas) for sheet in self.sheets]

        def squared(chunk: list[int]) -> float:
            return (rendered(self.parts(chunk), pictures).clamp(0, 1) - self.frame(chunk)).square().sum().item()

        return sum(self.side_by_side(squared, self.chunks())) / self.view.frames.numel()

    def splat(self) -> None:
        """Both atlases anew from the frames.

        Along the matte's edge a pixel shows both layers a little, whatever alpha says: there the background is taken
        for not seen, and the foreground, which may be thin, trusts such pixels little.
        """

        def add(totals: list[Tensor], chunk: list[int]) -> None:
            pictures = self.frame(chunk)
            for part, total, rim in zip(self.parts(chunk), totals, (RIM, 0), strict=True):
                clear = eroded(part.share, EDGE)
                weights = part.share * (part.share > 0.6) * (clear > 0.9).float().clamp(min=rim)
                used = weights.flatten() > 1e-4
                colours = crop(pictures, part.region) / part.light * weights
                values = torch.cat([colours, weights], 1).transpose(0, 1).reshape(4, -1)[:, used]
                cells = Cells.of(part.texels.reshape(-1, 2)[used], part.sheet.atlas_size)
                cells.add(total.flatten(1), values)

        for sheet, total in zip(self.sheets, self.added_up(4, add), strict=True):
            sheet.take(total)

    def is_finite(self) -> bool:
        """Whether all that a turn changes is numbers."""
        return all(bool(getattr(sheet, part).isfinite().all()) for sheet in self.sheets for part in Sheet.PARTS)

    def state(self) -> dict[str, Tensor]:
        """Copies of all that a turn changes."""
        tensors = {"alpha": self.alpha}
        for i, sheet in enumerate(self.sheets):
            tensors |= {f"{i}.{part}": getattr(sheet, part) for part in Sheet.PARTS}
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a `state`."""
        self.alpha = state["alpha"].to(self.device)
        for i, sheet in enumerate(self.sheets):
            for part in Sheet.PARTS:
                setattr(sheet, part, state[f"{i}.{part}"].to(self.device))


def rendered(parts: tuple[Part, Part], pictures: Sequence[Tensor]) -> Tensor:
    """Frames [n, 3, H, W] of foreground and background, with their atlases as pixels see them."""
    front, back = (
        part.sheet.look(picture, part.texels) * part.light for part, picture in zip(parts, pictures, strict=True)
    )
    return composed(parts[0], front, back)


def composed(front: Part, front_lit: Tensor, back_lit: Tensor) -> Tensor:
    """Frames [n, 3, H, W] of both layers' colours: the foreground's of its region, the background's everywhere."""
    result = back_lit.clone()
    crop(result, front.region).add_(front.share * (front_lit - crop(back_lit, front.region)))
    return result


def crop(pictures: Tensor, region: Region) -> Tensor:
    """A view of a region of [n, C, H, W]."""
    top, left, bottom, right = region
    return pictures[:, :, top:bottom, left:right]


def dilated(pictures: Tensor, side: int) -> Tensor:
    """The largest value of [n, C, H, W] in a square of an odd side around each pixel."""
    reach = side // 2
    return F.max_pool2d(F.max_pool2d(pictures, (side, 1), 1, (reach, 0)), (1, side), 1, (0, reach))


def eroded(pictures: Tensor, side: int) -> Tensor:
    """The smallest value of [n, C, H, W] in [0, 1] in a square of an odd side around each pixel."""
    return 1 - dilated(1 - pictures, side)
