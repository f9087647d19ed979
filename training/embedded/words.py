"""The second stage of training: the text encoder learns to tell the looks apart, from captions alone.

Pictures teach words slowly, since a loss on pixels first finds what most captions share. A few minutes of naming looks
and colours from captions give every word its own place, which the UNet then only has to read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextModel

from .captions import sample_caption, sample_wish, write_caption
from .colours import HELD_OUT, Rgb, chroma_of, hue_of, pick, sample_colour
from .light import lab_of
from .vocabulary import HELD_OUT_SENTENCES, LOOK_WORDS, REGIONS
from .wishes import Wish

log = logging.getLogger(__name__)
TokenIds = Callable[[list[str]], Tensor]
# What is told apart: slots of a wish and their looks, and whether a colour is asked for.
LABELS = (
    *((slot, look) for slot, words in LOOK_WORDS.items() for look in words),
    *(("region", region) for region in REGIONS),
    ("colour", "any"),
)
LAB_MIDDLE, LAB_SCALE = (55.0, 0.0, 0.0), (25.0, 25.0, 25.0)
BATCH = 56
RATE, PLACE_PACE = 2e-3, 4.0
DRILL, DRILL_PLACES = 96, 12  # short captions a step that say a colour and nothing else; a name has up to five tokens
COLOUR_PULL = 3.0  # weight of the asked colour's error, the labels' being 1
TAUGHT = ("colour",) * 5 + ("material", "scene", "style", "region") * 2  # evenly, in most of the captions
LEAST_CHROMA, FAR_HUE, FAR_LIGHTNESS = 12.0, 25.0, 15.0  # from where a colour has a hue; what counts as another colour


class Reader(nn.Module):
    """What a UNet reads first of hidden states [n, places, width]: their mean, and places by a learnt attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, 4)
        self.of_mean = nn.Linear(width, len(LABELS) + 3)
        self.of_places = nn.Linear(4 * width, len(LABELS) + 3)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of LABELS and scaled Lab, [n, labels + 3], by either way."""
        share = self.query(hidden).softmax(1)
        places = torch.einsum("npq,npw->nqw", share, hidden).flatten(1)
        return self.of_mean(hidden.mean(1)), self.of_places(places)


def teach_words(encoder: CLIPTextModel, token_ids: TokenIds, steps: int, seed: int, rate: float = RATE) -> float:
    """Train the encoder to name each caption's looks and its colour; token_ids makes ids [n, 77].

    Returns the last loss.
    """
    encoder.requires_grad_(True)
    rng = np.random.default_rng(seed)
    device = next(encoder.parameters()).device
    reader = Reader(encoder.config.hidden_size).to(device)
    drilled = nn.Linear(encoder.config.hidden_size, 3).to(device)
    optimizer = word_optimizer(encoder, [*reader.parameters(), *drilled.parameters()])
    mean = 1.0
    for step in range(steps):
        done = step / steps
        for group in optimizer.param_groups:
            group["lr"] = group["pace"] * rate * min(1.0, (step + 1) / 50) * (1 - 0.97 * done)
        captions, wishes = zip(*(teaching_caption(rng) for _ in range(BATCH)), strict=True)
        ids = token_ids(list(captions)).to(device)
        hidden = encoder(cut(ids, rng) if done < 0.75 else ids).last_hidden_state
        loss = reading_loss(reader(hidden), wishes) + drill_loss(encoder, drilled, token_ids, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
        optimizer.step()
        mean = 0.95 * mean + 0.05 * loss.item()
        if (step + 1) % 50 == 0:
            log.info("words step %d loss %.4f", step + 1, mean)
    return mean


def word_optimizer(encoder: CLIPTextModel, readers: list[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW in which the embeddings of places learn faster: they begin alike, yet order tells whose look it is."""
    places: list[nn.Parameter] = []
    others = list(readers)
    for name, parameter in encoder.named_parameters():
        (places if "position_embedding" in name else others).append(parameter)
    groups = [{"params": others, "pace": 1.0}, {"params": places, "pace": PLACE_PACE}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)


def teaching_caption(rng: np.random.Generator) -> tuple[str, Wish]:
    """A caption as pictures have them, or one of evenly drawn looks and seldom plain colours."""
    kind = pick(rng, ("object", "place"))
    if rng.random() < 0.3:
        return sample_caption(rng, kind, regions=tuple(REGIONS))
    wish, phrases = sample_wish(rng, pick(rng, TAUGHT), kind, tuple(REGIONS), plain=0.1, mixed=0.3)
    return write_caption(rng, wish, phrases, kind), wish


def drill_loss(encoder: CLIPTextModel, read: nn.Linear, token_ids: TokenIds, rng: np.random.Generator) -> Tensor:
    """Squared error of many colours' Lab, said in few words: names need far more examples than sentences do."""
    names, colours = zip(*(sample_colour(rng, plain=0.05) for _ in range(DRILL)), strict=True)
    captions = [pick(rng, ("{}", "a {} thing", "the {}", "in {}")).format(name) for name in names]
    hidden = encoder(token_ids(captions)[:, :DRILL_PLACES].to(read.weight.device)).last_hidden_state
    lab = scaled_lab(colours).to(read.weight)
    return COLOUR_PULL * (read(hidden.mean(1)) - lab).square().sum(1).mean()


def cut(ids: Tensor, rng: np.random.Generator) -> Tensor:
    """Ids [n, 77] without some of the end's repetitions, which say the same and cost time."""
    end = ids[:, -1:]
    longest = int((ids != end).sum(1).max()) + 2
    return ids[:, : min(ids.shape[1], max(longest, int(rng.integers(20, 60))))]


def labels_of(wishes: Iterable[Wish]) -> Tensor:
    """Which of LABELS each wish has, [n, labels] of 0 or 1."""

    def has(wish: Wish, slot: str, look: str) -> bool:
        return wish.colour is not None if slot == "colour" else getattr(wish, slot) == look

    return torch.tensor([[float(has(wish, *label)) for label in LABELS] for wish in wishes])


def scaled_lab(colours: Iterable[Rgb | None]) -> Tensor:
    """Lab of colours [n, 3], in units of LAB_SCALE from LAB_MIDDLE; NaN for none."""
    nothing = np.full(3, np.nan, np.float32)
    rows = np.stack([lab_of(colour) if colour else nothing for colour in colours])
    return (torch.from_numpy(rows) - torch.tensor(LAB_MIDDLE)) / torch.tensor(LAB_SCALE)


def reading_loss(read: Sequence[Tensor], wishes: Sequence[Wish]) -> Tensor:
    """Cross-entropy of the labels and squared error of the asked colours, over both ways of reading."""
    labels, lab = labels_of(wishes).to(read[0]), scaled_lab(wish.colour for wish in wishes).to(read[0])
    asked = labels[:, -1] > 0
    total = read[0].new_zeros(())
    for values in read:
        total = total + F.binary_cross_entropy_with_logits(values[:, :-3], labels) * len(LABELS)
        if asked.any():
            total = total + COLOUR_PULL * (values[asked, -3:] - lab[asked]).square().sum(1).mean()
    return total


@dataclass(frozen=True)
class WordMeasures:
    """What a linear reader of the mean hidden state finds in sentences that were not trained on.

    Attributes
    ----------
    f1
        Of each of LABELS.
    hue, lightness
        Errors, in degrees (NaN for greys) and in Lab, of each colour name that was not trained on.
    """

    f1: dict[tuple[str, str], float]
    hue: dict[str, float]
    lightness: dict[str, float]

    def right_colours(self) -> list[str]:
        """The names whose colour is found."""
        return [
            name
            for name, hue in self.hue.items()
            if not hue > FAR_HUE and abs(self.lightness[name]) <= FAR_LIGHTNESS  # NaN passes
        ]


def measure_words(encoder: CLIPTextModel, token_ids: TokenIds, seed: int = 1, count: int = 6000) -> WordMeasures:
    """Fit a linear reader to `count` training captions; judge it on held-out sentences and held-out colours."""
    rng = np.random.default_rng(seed)
    captions, wishes = zip(*(teaching_caption(rng) for _ in range(count)), strict=True)
    states = mean_states(encoder, token_ids, captions)
    weights = fit_labels(states, labels_of(wishes))
    asked = torch.tensor([wish.colour is not None for wish in wishes])
    lab = scaled_lab(wish.colour for wish in wishes)
    ridge = 1e-4 * len(states) * torch.eye(states.shape[1])
    to_lab = torch.linalg.solve(states[asked].T @ states[asked] + ridge, states[asked].T @ lab[asked])
    unheard, wanted = zip(*unheard_captions(rng), strict=True)
    found = mean_states(encoder, token_ids, unheard) @ weights > 0
    truth = labels_of(wanted) > 0
    both, either = (found & truth).sum(0), found.sum(0) + truth.sum(0)
    f1 = {label: 2 * int(b) / max(int(e), 1) for label, b, e in zip(LABELS, both, either, strict=True)}
    hue, lightness = colour_errors(encoder, token_ids, to_lab, HELD_OUT)
    return WordMeasures(f1, hue, lightness)


def colour_errors(
    encoder: CLIPTextModel, token_ids: TokenIds, to_lab: Tensor, names: dict[str, Rgb]
) -> tuple[dict[str, float], dict[str, float]]:
    """Errors of hue and of lightness of what names of colours mean in sentences that were not trained on."""
    hues, lightness = {}, {}
    for name, rgb in names.items():
        states = mean_states(encoder, token_ids, [sentence.format(name) for sentence in HELD_OUT_SENTENCES])
        lab = (states @ to_lab).mean(0) * torch.tensor(LAB_SCALE) + torch.tensor(LAB_MIDDLE)
        hue = float(torch.rad2deg(torch.atan2(lab[2], lab[1])))
        far = abs((hue - hue_of(rgb) + 180) % 360 - 180)
        hues[name] = far if chroma_of(rgb) >= LEAST_CHROMA else float("nan")
        lightness[name] = float(lab[0] - lab_of(rgb)[0])
    return hues, lightness


def unheard_captions(rng: np.random.Generator, repeats: int = 6) -> list[tuple[str, Wish]]:
    """Every phrase of every look in sentences that were not trained on, with and without a colour."""
    asked: list[tuple[str, Wish]] = []
    slots = {**LOOK_WORDS, "region": REGIONS}
    for slot, looks in slots.items():
        for look, phrases in looks.items():
            for index, phrase in enumerate(list(phrases) * repeats):
                name, colour = sample_colour(rng) if slot == "region" or index % 3 == 0 else ("", None)
                wish = Wish(**{"colour": colour, slot: look})  # type: ignore[arg-type]
                asked.append((f"{name} {phrase}".strip(), wish))
    return [(pick(rng, HELD_OUT_SENTENCES).format(words), wish) for words, wish in asked]


@torch.no_grad()
def mean_states(encoder: CLIPTextModel, token_ids: TokenIds, captions: Sequence[str]) -> Tensor:
    """Mean last hidden states of captions, with a one behind for a bias: [n, width + 1]."""
    device = next(encoder.parameters()).device
    means = [
        encoder(token_ids(list(captions[first : first + BATCH])).to(device)).last_hidden_state.mean(1).float().cpu()
        for first in range(0, len(captions), BATCH)
    ]
    states = torch.cat(means)
    return torch.cat([states, torch.ones(len(states), 1)], 1)


def fit_labels(states: Tensor, labels: Tensor) -> Tensor:
    """Weights [width + 1, labels] of a logistic regression with a small ridge."""
    weights = torch.zeros(states.shape[1], labels.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(states @ weights, labels) + 1e-6 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()
