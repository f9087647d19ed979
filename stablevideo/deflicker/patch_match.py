"""Which patch of one frame looks most like each patch of another, and a picture seen through that."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import one_thread_a_core
from ..errors import InputError
from .patch_features import patch_features
from .patch_search import NEIGHBOURS, Search
from .voting import vote

# Of one picture or of two: values by which a patch is compared.
FEATURES = {3: 16, 6: 24}
# How many of the smallest patches the finest level of the pyramid compares; each coarser level one more.
FINEST_SIZES = 2
# Anywhere in the coarsest level, so many times.
FIRST_DRAWS = 8


@dataclass(frozen=True)
class PatchMatch:
    """Nearest-neighbour fields between frames (Barnes et al. 2009), from coarse to fine.

    The error of two patches is the sum of their squared differences, the guide's weighted; they are compared by the
    few waves in which patches vary most (`patch_features`). A patch lies inside its frame as a whole: pixels nearer
    to the border than half of one take the displacement of the nearest patch.

    Attributes
    ----------
    patch_px
        Sides of the square patches, odd and falling: large ones find the place, small ones the detail. Where the
        frames are smaller than the largest, those are used that fit.
    guide_weight
        What a squared difference of the guide counts beside one of the look.
    rounds
        How often each level of the pyramid goes over its smallest patches, over the others once. Neighbours are asked
        from afar first, the last round the nearest. 3 takes a fifth less time and leaves errors 1 to 3 % larger.
    radii_px
        How far around the present match each round draws one at random, in turn. The last mends what halving rounded.
    """

    patch_px: tuple[int, ...] = (13, 11, 9, 7, 5)
    guide_weight: float = 10.0
    seed: int = 0
    rounds: int = 4
    radii_px: tuple[int, ...] = (16, 2, 1)

    def __post_init__(self) -> None:
        sizes = list(self.patch_px)
        if not sizes or any(size < 1 or size % 2 == 0 for size in sizes) or sizes != sorted(set(sizes), reverse=True):
            raise InputError(f"patch_px is {self.patch_px}; give odd sides that fall, such as (13, 9, 5).")
        if not (math.isfinite(self.guide_weight) and self.guide_weight > 0):
            raise InputError(f"guide_weight is {self.guide_weight}; give a number above 0, such as 10.")
        if self.rounds < 1 or any(radius < 1 for radius in self.radii_px):
            raise InputError(f"rounds is {self.rounds}, radii_px {self.radii_px}; give whole numbers of 1 or more.")

    def match(self, targets: Tensor, sources: Tensor, start: Tensor | None = None) -> Tensor:
        """Find for every pixel of each target where its source looks like it.

        Parameters
        ----------
        targets, sources
            float [n, C, H, W] in [0, 1]; 3 channels are guide and look at once, 6 the guide's and then the look's.
        start
            Displacements [n, H, W, 2] to try beside those that the search finds by itself, or None.

        Returns
        -------
        Tensor, float32, shape = (n, H, W, 2)
            Whole displacements in pixels, (x, y) order: pixel p of target n looks at p + d of source n, which is
            always inside. The same for the same seed, whatever else is in the batch.
        """
        self._check(targets, sources, start)
        return _each(self._search, targets.float(), sources.float(), start).permute(0, 2, 3, 1).contiguous()

    @torch.no_grad()
    def _search(self, targets: Tensor, sources: Tensor, start: Tensor | None) -> Tensor:
        """The displacements [n, 2, H, W] of pairs of float32 pictures."""
        sizes = self._fitting(targets)
        weights = (1.0,) if targets.shape[1] == 3 else (self.guide_weight, 1.0)
        generator, order = torch.Generator(targets.device).manual_seed(self.seed), random.Random(self.seed)
        if start is not None:
            start = start.float().permute(0, 3, 1, 2)
        pyramid = [(targets, sources)]
        for _ in range(int(math.log2(min(targets.shape[2:]) / sizes[0]))):
            pyramid.append((_halved(pyramid[-1][0]), _halved(pyramid[-1][1])))
        field = torch.zeros_like(pyramid[-1][0][:, :2])
        for level, (target, source) in reversed(list(enumerate(pyramid))):
            field = _resized(field, target)
            candidates = [] if start is None else [_resized(start, target)]
            draws = FIRST_DRAWS if level == len(pyramid) - 1 else 0
            for size in sizes[-FINEST_SIZES - level :]:
                features = [
                    patch_features(pictures, size, weights, FEATURES[targets.shape[1]]) for pictures in (target, source)
                ]
                search = Search(features[0], features[1], size, field, generator)
                for candidate in candidates:
                    search.offer(*search.corners(candidate))
                for _ in range(draws):
                    search.draw(max(target.shape[2:]))
                for left in reversed(range(self.rounds if size == sizes[-1] else 1)):
                    search.propagate(order.sample(NEIGHBOURS, 4), 2**left)
                    for radius in self.radii_px:
                        search.draw(radius)
                field, candidates, draws = search.field(), [], 0
        return field

    def remap(self, pictures: Tensor, maps: Tensor) -> Tensor:
        """Look at pictures [n, C, H, W] through displacements [n, H, W, 2] -> float32 [n, C, H, W].

        Each pixel is the mean over the patches of the smallest size that cover it of what they show there, between
        pixels bilinear; a patch that would lie outside is moved inside.
        """
        n, _, height, width = _shape(pictures, "pictures")
        _check_maps(maps, (n, height, width, 2), "maps")
        size = self._fitting(pictures)[-1]
        return _each(partial(vote, patch_px=size), pictures.float(), maps.float())

    def _fitting(self, pictures: Tensor) -> list[int]:
        """The sides of patches that are no larger than the pictures."""
        height, width = pictures.shape[2:]
        sizes = [size for size in self.patch_px if size <= min(height, width)]
        if not sizes:
            raise InputError(
                f"frames of {width} x {height} pixels are smaller than a patch of {self.patch_px[-1]}; "
                "give larger frames or a smaller patch_px."
            )
        return sizes

    def _check(self, targets: Tensor, sources: Tensor, start: Tensor | None) -> None:
        n, channels, height, width = _shape(targets, "targets")
        if _shape(sources, "sources") != targets.shape:
            raise InputError(
                f"sources are {list(sources.shape)}, targets {list(targets.shape)}; give both the same shape."
            )
        if channels not in FEATURES:
            raise InputError(f"frames have {channels} channels; give 3 of one picture, or 6: the guide's, the look's.")
        self._fitting(targets)
        if start is not None:
            _check_maps(start, (n, height, width, 2), "start")


def _halved(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, [round(side / 2) for side in pictures.shape[2:]], mode="area")


def _resized(field: Tensor, pictures: Tensor) -> Tensor:
    """Displacements [n, 2, h, w] for another level of the pyramid, in its pixels."""
    height, width = pictures.shape[2:]
    if field.shape[2:] == pictures.shape[2:]:
        return field
    scale = torch.tensor([width / field.shape[3], height / field.shape[2]], device=field.device)
    return F.interpolate(field, (height, width), mode="nearest-exact") * scale[:, None, None]


def _each(work: Callable[..., Tensor], *batches: Tensor | None) -> Tensor:
    """What `work` makes of batches: a GPU wants all pairs at once, each core of a CPU one that its cache holds."""
    first = batches[0]
    if first is None or first.device.type != "cpu":
        return work(*batches)
    pairs = ([None] * len(first) if batch is None else batch.split(1) for batch in batches)
    with one_thread_a_core() as (pool, _):
        return torch.cat(list(pool.map(work, *pairs)))


def _shape(pictures: Tensor, name: str) -> torch.Size:
    if pictures.ndim != 4 or not pictures.numel() or not pictures.is_floating_point():
        raise InputError(
            f"{name} are {pictures.dtype} of shape {list(pictures.shape)}; give float [n, C, H, W] in [0, 1]."
        )
    _check_finite(pictures, name)
    return pictures.shape


def _check_maps(maps: Tensor, shape: tuple[int, ...], name: str) -> None:
    if tuple(maps.shape) != shape:
        raise InputError(f"{name} is of shape {list(maps.shape)}; give displacements {list(shape)} in pixels.")
    _check_finite(maps, name)


def _check_finite(values: Tensor, name: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{name} hold values that are no numbers; mend what made them.")
