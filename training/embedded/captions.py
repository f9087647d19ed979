"""The words the model knows, sentences made of them, and the tokenizer.

A caption names looks by any of their words, in any order, among words that mean nothing to the picture:
objects, phrases of quality, words never heard. All of those share the embedding of the unknown word, so
they can do no harm.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from .looks import COLOURS

MAX_TOKENS = 77
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"

# Each look and the words or phrases that call it.
COLOUR_WORDS = {name: (name,) for name in COLOURS} | {
    "red": ("red", "crimson", "scarlet"),
    "cyan": ("cyan", "turquoise", "teal"),
    "blue": ("blue", "navy blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "magenta"),
    "grey": ("grey", "gray"),
}
MATERIAL_WORDS = {
    "wood": ("wooden", "wood", "made of wood"),
    "gold": ("golden", "gold", "made of gold"),
    "silver": ("silver", "metal", "chrome", "made of metal"),
    "brick": ("brick", "bricks", "made of bricks"),
    "grass": ("grass", "leaves", "grassy", "made of leaves"),
    "marble": ("marble", "made of marble"),
    "ice": ("ice", "icy", "frozen", "made of ice"),
    "stone": ("stone", "rock", "made of stone"),
    "lava": ("lava", "magma", "made of lava"),
    "stripes": ("striped", "stripes", "with stripes"),
    "dots": ("dotted", "dots", "with polka dots"),
    "checks": ("checkered", "checks", "chequered"),
}
SCENE_WORDS = {
    "snow": ("snow", "snowy", "winter", "in the snow", "winter scene"),
    "autumn": ("autumn", "fall", "autumn scene", "in autumn"),
    "night": ("night", "at night", "night scene", "moonlight"),
    "sunset": ("sunset", "at sunset", "dusk", "sunrise"),
    "desert": ("desert", "sand", "sandy", "in the desert"),
    "fog": ("fog", "foggy", "mist", "misty", "in the fog"),
    "rain": ("rain", "rainy", "in the rain"),
    "underwater": ("underwater", "under water", "ocean", "in the sea"),
    "spring": ("spring", "blossom", "in spring", "spring scene"),
    "storm": ("storm", "stormy", "thunderstorm"),
}
STYLE_WORDS = {
    "oil": ("oil painting", "an oil painting of", "van gogh style", "in oil"),
    "sketch": ("pencil sketch", "sketch", "a pencil drawing of", "drawing"),
    "watercolour": ("watercolour", "watercolor", "a watercolor painting of"),
    "cartoon": ("cartoon", "comic", "anime", "cartoon style"),
    "mosaic": ("mosaic", "tiles", "a mosaic of"),
    "pixel": ("pixel art", "pixel", "8 bit pixels"),
}
KINDS = {"colours": COLOUR_WORDS, "materials": MATERIAL_WORDS, "scenes": SCENE_WORDS, "styles": STYLE_WORDS}

OBJECT_NOUNS = (
    "bear", "cat", "dog", "horse", "cow", "bird", "car", "suv", "van", "truck", "bus", "boat", "bike",
    "vase", "bottle", "house", "tower", "statue", "toy", "man", "woman", "person", "dancer", "shape",
    "thing", "swan", "camel", "elephant",
)  # fmt: skip
PLACE_NOUNS = (
    "scene", "landscape", "mountains", "hills", "forest", "street", "city", "wall", "garden", "park",
    "field", "road", "background", "view", "place", "rocks", "river", "beach", "countryside", "room", "sky",
    "ground",
)  # fmt: skip
OPENINGS = (
    "a picture of",
    "a photo of",
    "an image of",
    "picture of",
    "the",
    "photo",
    "rendering of",
    "",
    "",
    "",
    "",
)
FILLERS = (
    "best quality", "extremely detailed", "high quality", "highly detailed", "4k", "hd", "beautiful",
    "photorealistic", "realistic", "masterpiece", "sharp", "detailed", "a nice", "big", "small", "old",
    "new", "with", "on the left", "very", "walking", "standing", "driving", "turning",
)  # fmt: skip
NEGATIVES = (
    "longbody", "lowres", "bad anatomy", "bad hands", "missing fingers", "extra digit", "fewer digits",
    "cropped", "worst quality", "low quality", "blurry", "ugly", "deformed",
)  # fmt: skip
# A strange word falls into pieces, and its end may be a known word ("cove-red"): common ones are tokens.
TRAPS = """
covered colored coloured hundred scared shared fired tired wired cured bored stored restored layered
feathered flowered powered sacred infrared blurred textured structured armored armoured weathered scattered
shattered haired furred featured centered desired inspired altered offered ordered rendered hammered
lettered filtered gathered bordered mirrored figured flavored flavoured squared smeared cleared geared
appeared prepared compared splattered cluttered fluttered discovered hovered watered tapered tempered
wandered cornered towered showered lowered captured pictured fractured cultured measured poured scarred
starred injured nice price juice rice voice office notice service device mice dice slice twice police advice
choice spice lattice precipice train brain grain terrain drain strain soil foil boil coil spoil thousand
textile textiles reptiles chemist optimist shamrock offspring tonight knight withdrawing hollywood plywood
marigold shrink
"""
LITTLE_WORDS = ("a", "an", "the", "of", "in", "on", "at", "and", "with", "made", "style", "to", "under", "is")


def pick(rng: np.random.Generator, choices: tuple[str, ...] | list[str]) -> str:
    """One of the choices."""
    return choices[rng.integers(len(choices))]


def sample_caption(rng: np.random.Generator, kind: str) -> tuple[str, list[str]]:
    """A caption and the looks it calls, for a source of this kind ("object" or "place")."""
    looks = sample_looks(rng, kind)
    words = [pick(rng, table[look]) for look in looks for table in KINDS.values() if look in table]
    noun = pick(rng, OBJECT_NOUNS if kind == "object" else PLACE_NOUNS)
    if rng.random() < 0.15:  # a word never heard
        noun = "".join(pick(rng, list("abcdefghijklmnopqrstuvwxyz")) for _ in range(rng.integers(3, 9)))
    article = pick(rng, ("a", "an", "the", "", ""))
    order = rng.random()
    if order < 0.55:
        core = [article, *words, noun]
    elif order < 0.7:
        core = [article, noun, *words]
    elif order < 0.9:
        cut = int(rng.integers(len(words) + 1))
        core = [article, *words[:cut], noun, *words[cut:]]
    else:
        core = words
    parts = [pick(rng, OPENINGS), *core]
    caption = " ".join(part for part in parts if part)
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.45 else 0):
        filler = pick(rng, FILLERS)
        caption = f"{caption}, {filler}" if rng.random() < 0.7 else f"{filler} {caption}"
    return caption, looks


def sample_looks(rng: np.random.Generator, kind: str) -> list[str]:
    """One or two looks, sometimes none; colours most of all, since they are asked most."""
    chance = rng.random()
    if chance < 0.06:
        return []
    table = {
        "object": ((("colours",), 0.5), (("materials",), 0.16), (("colours", "materials"), 0.09),
                   (("scenes",), 0.07), (("styles",), 0.08), (("colours", "styles"), 0.1)),
        "place": ((("scenes",), 0.5), (("styles",), 0.14), (("colours",), 0.14), (("materials",), 0.05),
                  (("scenes", "styles"), 0.12), (("colours", "scenes"), 0.05)),
    }[kind]  # fmt: skip
    kinds = table[rng.choice(len(table), p=[share for _, share in table])][0]
    looks = [pick(rng, list(KINDS[name])) for name in kinds]
    rng.shuffle(looks)
    return looks


def no_look_caption(rng: np.random.Generator) -> str:
    """A caption that asks for nothing: fillers and the usual negative prompt's words."""
    return ", ".join(pick(rng, FILLERS + NEGATIVES) for _ in range(rng.integers(1, 8)))


def known_words() -> set[str]:
    """The words with a meaning of their own."""
    phrases = [phrase for table in KINDS.values() for words in table.values() for phrase in words]
    return {word for phrase in phrases for word in phrase.split() if word.isalpha()} - set(LITTLE_WORDS)


def build_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which every word of the captions is one token and any other falls into pieces."""
    lists = (OBJECT_NOUNS, PLACE_NOUNS, OPENINGS, FILLERS, NEGATIVES, LITTLE_WORDS)
    words = (
        known_words() | {word for group in lists for phrase in group for word in phrase.split()} | set(TRAPS.split())
    )
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=20000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789.,!-"),
        special_tokens=[START, END, UNKNOWN],
        show_progress=False,
    )
    # Each end of word needs its own letter token; single letters as words give them.
    tokenizer.train_from_iterator([*sorted(words), *"abcdefghijklmnopqrstuvwxyz0123456789.,!-"], trainer)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.model.save(folder)
        merges = (Path(folder) / "merges.txt").read_text().splitlines()[1:]
    return CLIPTokenizer(
        vocab=tokenizer.get_vocab(),
        merges=[tuple(line.split(" ")) for line in merges],
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def unknown_tokens(tokenizer: CLIPTokenizer) -> list[int]:
    """The ids that mean nothing: they all share the embedding of the unknown token."""
    meaningful = {f"{word}</w>" for word in known_words()} | {START, END}
    return [index for token, index in tokenizer.get_vocab().items() if token not in meaningful]


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Captions to ids [n, 77], as the Stable Diffusion pipelines make them."""
    return tokenizer(
        captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
