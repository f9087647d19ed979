"""Captions: sentences that ask for looks by any of their words, in any order, among words that mean nothing.

Objects, phrases of quality and words never heard share the embedding of the unknown word, so they can do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .colours import Rgb, pick, sample_colour
from .vocabulary import (
    ABOUT,
    BESIDE,
    FILLERS,
    LETTERS,
    LIGHT_WORDS,
    LOOK_WORDS,
    MATERIAL_WORDS,
    NEGATIVES,
    OBJECT_NOUNS,
    OPENINGS,
    PARTS,
    PATTERN_WORDS,
    PLACE_NOUNS,
    REGIONS,
    SCENE_WORDS,
    SENTENCES,
    STYLE_WORDS,
    WORDS_OF_LOOKS,
)
from .wishes import Wish

SHARES: dict[str, dict[str, float]] = {
    "object": {"colour": 0.24, "material": 0.46, "scene": 0.06, "style": 0.17, "region": 0.04, "none": 0.03},
    "place": {"colour": 0.09, "material": 0.19, "scene": 0.38, "style": 0.25, "region": 0.05, "none": 0.04},
}


def sample_caption(
    rng: np.random.Generator, kind: str, name: str | None = None, regions: Sequence[str] = ()
) -> tuple[str, Wish]:
    """A caption and what it asks for, for a source of this kind ("object" or "place").

    `name` is a noun of what the source shows, `regions` are those of its parts that are known.
    """
    known = tuple(region for region in regions if region in REGIONS)
    shares = SHARES[kind]
    what = str(rng.choice(list(shares), p=list(shares.values())))
    if what == "region" and not known:
        what = "colour" if kind == "object" else "scene"
    wish, phrases = sample_wish(rng, what, kind, known)
    absent = tuple(word for region, words in REGIONS.items() if region not in known for word in words)
    return write_caption(rng, wish, phrases, kind, name, absent), wish


def sample_wish(
    rng: np.random.Generator, what: str, kind: str, regions: Sequence[str] = (), plain: float = 0.5, mixed: float = 0.06
) -> tuple[Wish, list[str]]:
    """A wish for "colour", "material", "scene", "style", "region" or "none", and its phrases, the colour's first.

    `plain` is the share of plain names among colours, `mixed` that of a colour with the scene of a place.
    """
    asked: dict[str, str] = {}
    colour: tuple[str, Rgb] | None = None
    chance, second = rng.random(2)
    if what == "colour" or (what == "region" and chance < 0.75):
        colour = sample_colour(rng, plain)
    elif what in ("material", "region"):
        if second < 0.72:
            asked["material"] = pick(rng, list(MATERIAL_WORDS))
        if second > 0.62:
            asked["pattern"] = pick(rng, list(PATTERN_WORDS))
        if len(asked) == 1 and rng.random() < 0.36:
            colour = sample_colour(rng, plain)
    elif what == "scene":
        asked["scene"] = pick(rng, list(SCENE_WORDS))
        if chance < 0.2:
            asked["style"] = pick(rng, list(STYLE_WORDS))
        elif chance < 0.2 + mixed and kind == "place":
            colour = sample_colour(rng, plain)
    elif what == "style":
        asked["style"] = pick(rng, list(STYLE_WORDS))
        if chance < 0.5 and kind == "object":
            colour = sample_colour(rng, plain)
    phrases = [pick(rng, LOOK_WORDS[slot][look]) for slot, look in asked.items()]
    rng.shuffle(phrases)
    region = pick(rng, regions) if what == "region" else None
    wish = Wish(colour=colour[1] if colour else None, region=region, **asked)
    return wish, [colour[0], *phrases] if colour else phrases


def write_caption(
    rng: np.random.Generator,
    wish: Wish,
    phrases: list[str],
    kind: str,
    name: str | None = None,
    absent: Sequence[str] = (),
) -> str:
    """A caption of these phrases about something of this kind; it may stand beside parts that are `absent`."""
    noun = choose_noun(rng, kind, name, whole=wish.colour or wish.material or wish.pattern)
    if wish.region:
        caption = write_region(rng, " ".join(phrases), noun, pick(rng, REGIONS[wish.region]))
    elif not phrases and rng.random() < 0.5:
        return no_look_caption(rng)
    elif not phrases:
        caption = write_noun_phrase(rng, [pick(rng, LIGHT_WORDS)] if rng.random() < 0.3 else [], noun)
    elif rng.random() < 0.5:
        caption = write_sentence(rng, pick(rng, SENTENCES), phrases, noun)
    else:
        caption = write_noun_phrase(rng, phrases, noun, absent)
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.45 else 0):
        filler = pick(rng, FILLERS)
        caption = f"{caption}, {filler}" if rng.random() < 0.7 else f"{filler} {caption}"
    return caption


def choose_noun(rng: np.random.Generator, kind: str, name: str | None, whole: object) -> str:
    """What a caption is about: its name, any noun, or a word never heard.

    Where colour or material is asked of the whole of a place, a noun of its parts would ask for these alone.
    """
    chance = rng.random()
    parts = name is not None and any(word in PARTS for word in name.split())
    usable = name is not None and not any(word in WORDS_OF_LOOKS for word in name.split())
    if name and usable and chance < 0.67 and not (parts and whole and kind == "place"):
        return name
    if rng.random() < 0.2:
        return "".join(pick(rng, LETTERS) for _ in range(rng.integers(3, 9)))
    if kind == "place" and not whole and rng.random() < 0.4:
        return pick(rng, PARTS)
    return pick(rng, OBJECT_NOUNS if kind == "object" else PLACE_NOUNS)


def join_phrases(rng: np.random.Generator, phrases: list[str]) -> str:
    """Phrases in a row; the colour, which is first, goes last only behind a comma."""
    if len(phrases) > 1 and rng.random() < 0.2:
        return ", ".join(reversed(phrases))
    return pick(rng, (" ", " ", " ", ", ", " and ", " with ", " in ")).join(phrases)


def write_sentence(rng: np.random.Generator, sentence: str, phrases: list[str], noun: str) -> str:
    """One of SENTENCES about a noun, or about it or this."""
    thing = pick(rng, (f"the {noun}", f"the {noun}", f"this {noun}", f"a {noun}", noun, "it", "this", "everything"))
    return sentence.format(join_phrases(rng, phrases), thing=thing)


def write_noun_phrase(rng: np.random.Generator, phrases: list[str], noun: str, absent: Sequence[str] = ()) -> str:
    """Looks before a noun, after it, around it or alone; sometimes beside a part that is not in the picture."""
    article, opening, order = pick(rng, ("a", "an", "the", "", "")), pick(rng, OPENINGS), rng.random()
    if order < 0.5 and absent and rng.random() < 0.3:
        noun = f"{noun} {pick(rng, BESIDE).format(pick(rng, absent))}"
    front = [phrase for phrase in phrases if phrase.endswith(" of")]
    words = [phrase for phrase in phrases if phrase not in front]
    if order < 0.5:
        core = [article, join_phrases(rng, words), noun]
    elif order < 0.68:
        core = [article, noun, pick(rng, ("", "", "in", "with", "of", ",")), join_phrases(rng, words)]
    elif order < 0.85 and words:
        core = [article, words[0], noun, *words[1:]]
    else:
        core = [join_phrases(rng, words)]
    return " ".join(part for part in (*front, opening, *core) if part)


def write_region(rng: np.random.Generator, look: str, noun: str, part: str) -> str:
    """A caption that asks a look of one part."""
    forms = ("{look} {part}", "{noun} with a {look} {part}", "a {noun} with {look} {part}", "the {part} in {look}",
             "{noun} whose {part} is {look}", "only the {part} {look}", "the {look} {part} of the {noun}")  # fmt: skip
    chance = rng.random()
    if chance < 0.25:
        return pick(rng, ABOUT).format(look, thing=f"the {part}")
    if chance < 0.55:
        return pick(rng, SENTENCES).format(f"{look} {part}", thing=pick(rng, (f"the {noun}", noun, "it", "this")))
    return pick(rng, forms).format(look=look, noun=noun, part=part)


def no_look_caption(rng: np.random.Generator) -> str:
    """A caption that asks for nothing: fillers and the usual negative prompt's words."""
    return ", ".join(pick(rng, FILLERS + NEGATIVES) for _ in range(rng.integers(1, 8)))
