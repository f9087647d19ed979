"""The losses of layered neural atlases (Kasten, Ofri, Wang and Dekel 2021), from a clip's pixels, masks and flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.matte import shares
from ..video.flow import ClipFlow
from .files import NLATraining
from .networks import NLANetworks


@dataclass(frozen=True)
class Material:
    """What is learned from: frames uint8 [T, 3, H, W], masks bool [T, H, W] and the flow between frames."""

    frames: Tensor
    masks: Tensor
    flow: ClipFlow

    def __post_init__(self) -> None:
        """Raise InputError where the three do not fit each other."""
        if self.frames.dtype != torch.uint8 or self.frames.ndim != 4 or self.frames.shape[1] != 3:
            raise InputError(f"frames must be uint8 [T, 3, H, W], got {self.frames.dtype} {list(self.frames.shape)}.")
        count, (height, width) = len(self.frames), self.size
        if count < 2:
            raise InputError(f"there are {count} frames; the networks need at least 2.")
        if tuple(self.masks.shape) != (count, height, width) or self.masks.dtype != torch.bool:
            got = f"{self.masks.dtype} {list(self.masks.shape)}"
            raise InputError(f"masks must be bool {[count, height, width]}, as the frames are, got {got}.")
        if self.flow.forward.shape != (count - 1, height, width, 2):
            wanted = [count - 1, height, width, 2]
            raise InputError(f"the flow must be {wanted}, as the frames are, got {list(self.flow.forward.shape)}.")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.frames.shape[2], self.frames.shape[3]

    def draw(self, random: np.random.Generator, count: int, margin: int) -> tuple[Tensor, Tensor]:
        """Frames [n] and pixels [n, 2], `margin` pixels away from the right and the lower side."""
        height, width = self.size
        frame = random.integers(len(self.frames), size=count)
        xy = random.integers([max(1, width - margin), max(1, height - margin)], size=(count, 2))
        return torch.from_numpy(frame).to(self.frames.device), torch.from_numpy(xy).to(self.frames.device)

    def video(self, frame: Tensor, xy: Tensor) -> Tensor:
        """Frames [n] and pixels [n, 2] -> the networks' input [n, 3]."""
        return coords.pixel_to_video(xy.float(), frame.float(), self.size, len(self.frames))

    def colours(self, frame: Tensor, xy: Tensor) -> Tensor:
        """RGB of pixels [n, 2], [n, 3] in [0, 1]."""
        return self.frames[frame, :, xy[:, 1], xy[:, 0]].float() / 255

    def follow(self, frame: Tensor, xy: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Where pixels lie one frame later (step 1) or earlier (-1): trusted, bool [n], and pixels there, [n, 2].

        The flow is looked up point by point: it stays the 16 bits it came in.
        """
        flow, valid = (
            (self.flow.forward, self.flow.forward_valid) if step > 0 else (self.flow.backward, self.flow.backward_valid)
        )
        inside = (frame + step >= 0) & (frame + step < len(self.frames))
        row = (frame if step > 0 else frame - 1).clamp(0, len(flow) - 1)
        place = tuple(axis.cpu().numpy() for axis in (row, xy[:, 1], xy[:, 0]))
        trusted = torch.from_numpy(valid[place]).to(xy.device) & inside
        return trusted, xy + torch.from_numpy(flow[place].astype(np.float32)).to(xy.device)


def rigidity(places: Sequence[Tensor], step: float) -> Tensor:
    """How far a map is from an isometry: 0 where it is one, [n].

    places are where it takes a point, the one `step` to its right and the one below, [n, 2] each; `step` is what that
    distance is on the canvas. With J the Jacobian of the map by finite differences and G = J^T J, the paper's
    ||G||_F + ||G^-1||_F, less its least value; for 2x2, ||G^-1||_F = ||G||_F / det G.
    """
    here, right, down = places
    jacobian = torch.stack([right - here, down - here], dim=-1) / step
    metric = jacobian.mT @ jacobian
    determinant = metric[:, 0, 0] * metric[:, 1, 1] - metric[:, 0, 1].square()
    return metric.norm(dim=(1, 2)) * (1 + 1 / (determinant + 1e-6)) - 2 * math.sqrt(2)


def bootstrapping(alpha: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy of alpha in (0, 1) against a mask of zeros and ones, [n]."""
    return -(mask * alpha.log() + (1 - mask) * (1 - alpha).log())


def nla_losses(
    networks: NLANetworks, material: Material, frame: Tensor, xy: Tensor, iteration: int, options: NLATraining
) -> dict[str, Tensor]:
    """Every term of the paper's loss at pixels xy [n, 2] of frames [n], weighed by its coefficient."""
    reach = options.derivative_amount
    steps = [torch.tensor(step, device=xy.device) for step in ((0, 0), (reach, 0), (0, reach))]
    video = [material.video(frame, xy + step) for step in steps]
    canvas = {name: [networks.canvas_at(name, point) for point in video] for name in LAYER_NAMES}
    alpha = [networks.alpha_at(point)[:, None] for point in video]
    front, back = ([networks.colour_at(name, place) for place in canvas[name]] for name in LAYER_NAMES)
    rendered = [a * f + (1 - a) * b for a, f, b in zip(alpha, front, back, strict=True)]
    seen = [material.colours(frame, xy + step) for step in steps]
    pixel = options.uv_mapping_scale / (max(material.size) / 2)  # on the canvas, as the maps start

    terms = {
        "colour": options.rgb_coeff * (rendered[0] - seen[0]).square().sum(1).mean(),
        "sparsity": options.sparsity_coeff * ((1 - alpha[0]) * front[0]).square().sum(1).mean(),
        "rigidity": options.rigidity_coeff
        * torch.stack([rigidity(canvas[n], reach * pixel).mean() for n in LAYER_NAMES]).sum(),
    }
    if options.use_gradient_loss:
        missed = [(rendered[i] - rendered[0] - seen[i] + seen[0]) / reach for i in (1, 2)]
        terms["gradient"] = options.gradient_loss_coeff * torch.stack(missed).square().sum(2).mean(1).sum()
    if options.include_global_rigidity_loss and iteration < options.stop_global_rigidity:
        terms["global rigidity"] = _global_rigidity(networks, material, frame, xy, pixel, options)
    if iteration < options.stop_bootstrapping_iteration:
        mask = material.masks[frame, xy[:, 1], xy[:, 0]].float()
        terms["bootstrapping"] = options.alpha_bootstrapping_factor * bootstrapping(alpha[0][:, 0], mask).mean()
    own = (canvas["foreground"][0], canvas["background"][0], alpha[0])
    return terms | _flow_terms(networks, material, frame, xy, own, pixel, options)


def _global_rigidity(
    networks: NLANetworks, material: Material, frame: Tensor, xy: Tensor, pixel: float, options: NLATraining
) -> Tensor:
    """Rigidity over many pixels, which keeps a layer in one piece at the start."""
    total = torch.zeros((), device=xy.device)
    settings: tuple[tuple[LayerName, int, float], ...] = (
        ("foreground", options.global_rigidity_derivative_amount_fg, options.global_rigidity_coeff_fg),
        ("background", options.global_rigidity_derivative_amount_bg, options.global_rigidity_coeff_bg),
    )
    for name, reach, weight in settings:
        steps = (torch.tensor(step, device=xy.device) for step in ((0, 0), (reach, 0), (0, reach)))
        places = [networks.canvas_at(name, material.video(frame, xy + step)) for step in steps]
        total = total + weight * rigidity(places, reach * pixel).mean()
    return total


def _flow_terms(
    networks: NLANetworks,
    material: Material,
    frame: Tensor,
    xy: Tensor,
    own: tuple[Tensor, Tensor, Tensor],
    pixel: float,
    options: NLATraining,
) -> dict[str, Tensor]:
    """A surface keeps its place on the canvas, in pixels, and its alpha, along trusted flow both ways."""
    flow = alpha_flow = torch.zeros((), device=xy.device)
    for step in (1, -1):
        trusted, there = material.follow(frame, xy, step)
        if not trusted.any():
            continue
        video = material.video(frame[trusted] + step, there[trusted])
        front, back, alpha = (part[trusted] for part in own)
        for (name, share), place in zip(shares(alpha).items(), (front, back), strict=True):
            moved = (networks.canvas_at(name, video) - place).norm(dim=1) / pixel
            flow = flow + (share[:, 0] * moved).mean() / 2
        alpha_flow = alpha_flow + (networks.alpha_at(video) - alpha[:, 0]).abs().mean() / 2
    return {"flow": options.optical_flow_coeff * flow, "alpha flow": options.alpha_flow_factor * alpha_flow}
