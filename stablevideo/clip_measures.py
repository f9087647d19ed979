"""How well a video shows what words say, and how alike its frames are, to CLIP (Radford et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import load_module, load_settings
from .device import resolve
from .errors import InputError
from .hub import hub_folder
from .places import default_folder
from .progress import Progress, quiet
from .steadiness import ClipScores
from .video.read import Video

CLIP = "openai/clip-vit-large-patch14"
CLIP_FILES = (
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
CLIP_NEEDED = ("config.json", "*.safetensors", "preprocessor_config.json", "tokenizer_config.json")
BATCH = 16  # frames looked at together
PERCENT = 100  # CLIP's logits are cosines, a hundred times: what its temperature was trained to


@dataclass(frozen=True)
class ClipScorer:
    """CLIP, ready to look at videos.

    Attributes
    ----------
    network
        transformers' CLIPModel.
    tokenizer, processor
        What brings words and frames into the form it takes.
    device
        Where it runs; float16 on CUDA, else float32.
    """

    network: Any
    tokenizer: Any
    processor: Any
    device: torch.device

    @torch.inference_mode()
    def scores(
        self, video: Video, prompt: str, source_prompt: str | None = None, progress: Progress = quiet
    ) -> ClipScores:
        """Look at every frame, a few at a time: memory stays flat as videos grow.

        Raises InputError for empty words, or a video of a single frame.
        """
        if video.frame_count < 2:
            raise InputError(f"{video.path.name} has {video.frame_count} frame; at least 2 are needed to compare them.")
        words = torch.stack([self.text(prompt), *([] if source_prompt is None else [self.text(source_prompt)])])
        found = _Record()
        for chunk in video.chunks(BATCH):
            embedded, pooled = self.frames(chunk)
            found.add(embedded, pooled, embedded @ words.T)
            progress(found.count / video.frame_count, f"CLIP, frame {found.count} of {video.frame_count}")
        return found.scores()

    def text(self, words: str) -> Tensor:
        """Words -> their embedding, of length 1, float64 [D] on the CPU. What is over CLIP's 77 tokens is left out."""
        if not words.strip():
            raise InputError("the prompt is empty; write what the video should show.")
        tokens = self.tokenizer([words], truncation=True, return_tensors="pt").to(self.device)
        return _unit(self.network.get_text_features(**tokens).pooler_output)[0]

    def frames(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, uint8 [n, 3, H, W] -> their embeddings [n, D], and what the vision tower gives before it projects.

        Both of length 1, float64 on the CPU.
        """
        pixels = self.processor(images=list(frames), return_tensors="pt")["pixel_values"]
        pooled = self.network.vision_model(pixel_values=pixels.to(self.device, self.network.dtype)).pooler_output
        return _unit(self.network.visual_projection(pooled)), _unit(pooled)


def load_clip_scorer(ckpt: Path | str | None = None, device: torch.device | str | None = None) -> ClipScorer:
    """CLIP ViT-L/14 from `ckpt`, from the Hub where it does not lie there whole.

    Raises InputError where it cannot be had, or a file is damaged or fits no CLIP.
    """
    import transformers
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    transformers.utils.logging.disable_progress_bar()
    folder = hub_folder(
        CLIP,
        default_folder("ckpt") if ckpt is None else Path(ckpt),
        CLIP_FILES,
        CLIP_NEEDED,
        "measure without a prompt",
    )
    place = resolve(device)
    network = load_module(CLIPModel, folder, torch.float16 if place.type == "cuda" else torch.float32)
    tokenizer, processor = load_settings(CLIPTokenizer, folder), load_settings(CLIPImageProcessor, folder)
    return ClipScorer(network.to(place), tokenizer, processor, place)


class _Record:
    """What is gathered, frame by frame."""

    def __init__(self) -> None:
        self.count, self.hits = 0, 0
        self.neighbours = 0.0
        self.total: Tensor | None = None
        self.last: Tensor | None = None
        self.fits: Tensor | None = None

    def add(self, embedded: Tensor, pooled: Tensor, fits: Tensor) -> None:
        """A few frames' embeddings [n, D], unprojected ones [n, V], and cosines with the words [n, 1 or 2]."""
        self.count += len(embedded)
        self.total = embedded.sum(0) + (0 if self.total is None else self.total)
        row = pooled if self.last is None else torch.cat([self.last, pooled])
        self.neighbours += float((row[1:] * row[:-1]).sum(1).clamp(min=0).sum())
        self.last = pooled[-1:]
        self.fits = fits.sum(0) + (0 if self.fits is None else self.fits)
        self.hits += int((fits[:, 0] > fits[:, -1]).sum())

    def scores(self) -> ClipScores:
        """The means over time."""
        assert self.total is not None
        assert self.fits is not None
        # The cosines of all pairs of unit vectors sum up to the square of their sum, less each one's with itself.
        pairs = (float(self.total.square().sum()) - self.count) / (self.count * (self.count - 1))
        return ClipScores(
            clip_t=PERCENT * float(self.fits[0]) / self.count,
            clip_f=pairs,
            clip_f_consecutive=self.neighbours / (self.count - 1),
            frame_accuracy=self.hits / self.count if len(self.fits) > 1 else None,
        )


def _unit(vectors: Tensor) -> Tensor:
    """Of length 1; in float64, in which sums over long videos lose nothing."""
    exact = vectors.cpu().double()
    return exact / exact.norm(dim=-1, keepdim=True)
