"""Colours by their names: plain ones, about 250 more as people write them, and what "light" or "reddish" does to any.

Forty names of the CSS list are never trained on. Their words all occur in other names, so they show whether the text
encoder puts a colour's name together from its words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .drawing import LUMA
from .light import lab_of

Rgb = tuple[int, int, int]

# sRGB of each plain colour's middle tone.
PLAIN: dict[str, Rgb] = {
    "red": (212, 22, 24),
    "orange": (240, 122, 10),
    "yellow": (242, 208, 16),
    "green": (28, 158, 36),
    "cyan": (12, 190, 202),
    "blue": (26, 66, 216),
    "purple": (124, 32, 180),
    "pink": (248, 92, 168),
    "brown": (112, 64, 28),
    "black": (22, 22, 25),
    "white": (226, 226, 229),
    "grey": (122, 122, 124),
}
# What calls each plain colour; its synonyms have tones of their own where NAMED has.
COLOUR_WORDS = {name: (name,) for name in PLAIN} | {
    "red": ("red", "crimson", "scarlet"),
    "cyan": ("cyan", "turquoise", "teal"),
    "blue": ("blue", "navy blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "magenta"),
    "grey": ("grey", "gray", "black and white"),
}
# The CSS list, without the plain names, the materials' names and the held-out ones.
CSS = """
alice blue f0f8ff; antique white faebd7; aqua 00ffff; aquamarine 7fffd4; azure f0ffff; beige f5f5dc; bisque ffe4c4;
blanched almond ffebcd; burlywood deb887; cadet blue 5f9ea0; chartreuse 7fff00; chocolate d2691e; coral ff7f50;
cornflower blue 6495ed; cornsilk fff8dc; crimson dc143c; dark blue 00008b; dark olive green 556b2f;
dark orange ff8c00; dark sea green 8fbc8f; dark slate grey 2f4f4f; dark turquoise 00ced1; dodger blue 1e90ff;
firebrick b22222; floral white fffaf0; forest green 228b22; fuchsia ff00ff; gainsboro dcdcdc; ghost white f8f8ff;
goldenrod daa520; green yellow adff2f; honeydew f0fff0; hot pink ff69b4; indian red cd5c5c; indigo 4b0082;
ivory fffff0; khaki f0e68c; lavender blush fff0f5; lavender e6e6fa; lawn green 7cfc00; lemon chiffon fffacd;
light blue add8e6; light cyan e0ffff; light pink ffb6c1; light slate grey 778899; lime 00ff00; linen faf0e6;
magenta ff00ff; maroon 800000; medium purple 9370db; midnight blue 191970; misty rose ffe4e1; moccasin ffe4b5;
navajo white ffdead; navy 000080; old lace fdf5e6; olive 808000; olive drab 6b8e23; orchid da70d6; papaya whip ffefd5;
peach puff ffdab9; peru cd853f; plum dda0dd; powder blue b0e0e6; rebecca purple 663399; rosy brown bc8f8f;
royal blue 4169e1; saddle brown 8b4513; salmon fa8072; sandy brown f4a460; sea green 2e8b57; seashell fff5ee;
sienna a0522d; sky blue 87ceeb; slate blue 6a5acd; spring green 00ff7f; steel blue 4682b4; tan d2b48c; teal 008080;
thistle d8bfd8; tomato ff6347; turquoise 40e0d0; violet ee82ee; wheat f5deb3; white smoke f5f5f5
"""
# Names of paints, crayons, cloth and of the survey of colour names by xkcd, with values that are in wide use.
COMMON = """
amber ffbf00; amethyst 9966cc; apricot fbceb1; army green 4b5320; ash grey b2beb5; aubergine 3d0734; auburn a52a2a;
avocado 568203; baby blue a2cffe; baby pink f4c2c2; barn red 7c0a02; blood red 980002; blue green 137e6d;
blue grey 607c8e; blush f29e8e; bone e3dac9; british racing green 004225; bubblegum pink ff6cb5; burgundy 800020;
burnt orange cc5500; burnt sienna b04e0f; burnt umber 8a3324; butter ffff81; butterscotch fdb147;
canary yellow ffef00; candy pink ff63e9; caramel af6f09; cardinal c41e3a; carmine 9d0216; carnation pink ffa6c9;
celadon ace1af; cerise de3163; cerulean 0485d1; champagne f7e7ce; charcoal 36454f; charcoal grey 3c4142;
cherry red d0142c; chestnut 954535; chocolate brown 5c3a21; cinnamon b5651d; claret 680018; clay b66a50;
cobalt 1e488f; cobalt blue 0047ab; coffee 6f4e37; coral pink f88379; cornflower 6a79f7; cranberry 9f1d4b;
cream fffdd0; dark brown 341c02; dark grey 48484b; dark pink c8466e; dark purple 3c0a50; deep purple 36013f;
deep red 9a0200; denim blue 3b5b92; dove grey a6a39b; ebony 282c34; ecru cdb891; eggplant 380835; eggshell f0ead6;
electric blue 0652ff; electric purple bf00ff; emerald 50c878; emerald green 028f1e; fawn cfaf7b; fern green 548d44;
fire red e02010; flame e25822; garnet 733635; ginger b06500; grape 6c3461; grape purple 5d1451; hazel 8e7618;
heather a484ac; hunter green 355e3b; jade 00a86b; jet black 0a0a0c; jungle green 29ab87; kelly green 4cbb17;
lemon fff700; lemon yellow fdf04a; light brown ad8150; light orange fdb05a; light purple bf8ff0; light red f4736e;
lilac c8a2c8; mahogany 4a0100; mango ffa62b; mauve ae7181; mint 98ff98; mint green 8fff9f; mocha 9d7651;
mulberry 920a4e; mustard dbb40c; mustard yellow d2bd0a; navy blue 001146; navy green 35530a; navy grey 3a4450;
nutmeg 7e4a3b; ochre cc7722; off white faf5e6; olive brown 645403; olive green 677a04; onyx 353839; oxblood 4a0000;
pea green 8eab12; peach ffb07c; peacock blue 016795; pearl eae0c8; periwinkle 8e82fe; persimmon ec5800;
petrol blue 005f6a; pine green 0a481e; pistachio 93c572; plum purple 4e0550; poppy red dc343b; powder pink ffb2d0;
primrose f3e779; prussian blue 004577; puce a57e52; pumpkin e17701; raspberry b00149; raw umber 826644; rose cf6275;
rose pink f7879a; rosewood 65000b; rosy pink f6688e; royal purple 4b006e; ruby ca0147; ruby red 9b111e; russet 80461b;
rust b7410e; rust red aa2704; saffron f4c430; sage 87ae73; sage green 88b378; sapphire 0f52ba; scarlet ff2400;
seafoam 7af9ab; seafoam green 80f9ad; sepia 704214; shocking pink fe02a2; slate 516572; smoke grey 8f9294;
steel grey 6f828a; strawberry fb2943; sunflower yellow ffda03; tangerine ff9408; taupe b9a281; tawny cd5700;
tea green d0f0c0; teal blue 01889f; teal green 25a36f; terracotta ca6641; topaz ffc87c; ultramarine 2000b1;
umber 635147; vanilla f3e5ab; vermilion e34234; violet red d02090; viridian 1e9167; walnut 773f1a; watermelon fd4659;
wine 722f37; wine red 7b0323; wisteria a87dc2
"""
HELD_OUT_CSS = """
light sea green 20b2aa; medium violet red c71585; dark slate blue 483d8b; pale turquoise afeeee; dark salmon e9967a;
medium orchid ba55d3; light steel blue b0c4de; medium sea green 3cb371; dark orchid 9932cc; light salmon ffa07a;
medium turquoise 48d1cc; dark violet 9400d3; dark magenta 8b008b; dark cyan 008b8b; light coral f08080;
light sky blue 87cefa; deep sky blue 00bfff; light green 90ee90; medium slate blue 7b68ee; pale green 98fb98;
pale goldenrod eee8aa; pale violet red db7093; medium aquamarine 66cdaa; medium blue 0000cd; dark khaki bdb76b;
lime green 32cd32; yellow green 9acd32; blue violet 8a2be2; orange red ff4500; dark goldenrod b8860b;
light grey d3d3d3; dark green 006400; light yellow ffffe0; deep pink ff1493; medium spring green 00fa9a;
light goldenrod yellow fafad2; slate grey 708090; dim grey 696969; mint cream f5fffa; dark red 8b0000
"""
# What a word in front of a colour does: a share of it gives way to a grey of this level, 0 to 255, and what is left of
# its saturation is multiplied.
MODIFIERS: dict[str, tuple[float, int, float]] = {
    "light": (0.4, 255, 1.05),
    "very light": (0.68, 255, 0.9),
    "pale": (0.6, 255, 0.85),
    "pastel": (0.55, 245, 0.9),
    "soft": (0.4, 225, 0.75),
    "faded": (0.35, 200, 0.6),
    "dark": (0.35, 0, 1.0),
    "very dark": (0.62, 0, 1.0),
    "deep": (0.22, 0, 1.1),
    "rich": (0.12, 0, 1.15),
    "dim": (0.25, 0, 0.6),
    "medium": (0.06, 128, 0.95),
    "bright": (0.1, 255, 1.4),
    "vivid": (0.0, 128, 1.4),
    "intense": (0.05, 0, 1.4),
    "neon": (0.2, 255, 1.7),
    "dull": (0.15, 110, 0.55),
    "muted": (0.2, 140, 0.55),
    "dusty": (0.25, 170, 0.5),
    "greyish": (0.2, 135, 0.4),
}
TINTS = {
    "reddish": "red",
    "orangish": "orange",
    "yellowish": "yellow",
    "greenish": "green",
    "bluish": "blue",
    "purplish": "purple",
    "pinkish": "pink",
    "brownish": "brown",
}  # fmt: skip
TINT_SHARE = 0.33
TINTED = ("brown", "grey", "purple", "green", "blue", "orange", "pink", "yellow", "white", "red", "black")
LISTED = ("pale", "deep", "bright", "dull", "pastel", "neon")  # those whose combinations with plain colours have a name
COLOURLESS = ("black", "white", "grey")


def parse(table: str) -> dict[str, Rgb]:
    """A table's names and values: "sea green 2e8b57; ..."."""
    entries = (entry.split() for entry in table.replace("\n", " ").split(";"))
    return {" ".join(name): _from_hex(value) for *name, value in entries}


def _from_hex(value: str) -> Rgb:
    red, green, blue = bytes.fromhex(value)
    return red, green, blue


@lru_cache(maxsize=65536)
def hue_of(rgb: Rgb) -> float:
    """Degrees of the hue in Lab's plane."""
    _, a, b = lab_of(rgb)
    return math.degrees(math.atan2(b, a)) % 360


def chroma_of(rgb: Rgb) -> float:
    """How far from grey, in Lab."""
    return math.hypot(*lab_of(rgb)[1:])


@lru_cache(maxsize=8192)
def modified(modifier: str, base: Rgb) -> Rgb:
    """The colour that a word of MODIFIERS or TINTS makes of another."""
    if modifier in TINTS:
        return between(base, PLAIN[TINTS[modifier]], TINT_SHARE)
    share, level, saturation = MODIFIERS[modifier]
    mixed = [value + share * (level - value) for value in base]
    grey = float(LUMA @ mixed)
    return _rounded([grey + saturation * (value - grey) for value in mixed])


@lru_cache(maxsize=8192)
def between(first: Rgb, second: Rgb, share: float = 0.5) -> Rgb:
    """A mixture of two colours; half and half is what their names one after the other mean, "blue green"."""
    return _rounded([one + share * (two - one) for one, two in zip(first, second, strict=True)])


def _rounded(values: list[float]) -> Rgb:
    red, green, blue = (round(min(max(value, 0), 255)) for value in values)
    return red, green, blue


def _combinations() -> dict[str, Rgb]:
    plain = {f"{word} {name}": modified(word, rgb) for word in LISTED for name, rgb in PLAIN.items()}
    tinted = {
        f"{word} {name}": modified(word, PLAIN[name]) for word, own in TINTS.items() for name in TINTED if name != own
    }
    alone = {word: modified("dull", PLAIN[own]) for word, own in TINTS.items()}
    useful = {name: rgb for name, rgb in plain.items() if not name.endswith(COLOURLESS)}
    return useful | {name: rgb for name, rgb in tinted.items() if chroma_of(rgb) > 4} | alone


HELD_OUT: dict[str, Rgb] = parse(HELD_OUT_CSS)
NAMED: dict[str, Rgb] = {
    name: rgb for name, rgb in (_combinations() | parse(CSS) | parse(COMMON)).items() if name not in HELD_OUT
}


def named_colour(name: str) -> Rgb:
    """The middle tone of a colour's name; one that is not listed may be one of MODIFIERS or TINTS and a listed one."""
    name = " ".join(name.lower().replace("gray", "grey").split())
    for table in (PLAIN, NAMED, HELD_OUT):
        if name in table:
            return table[name]
    modifier, _, base = name.rpartition(" ") if name.count(" ") == 1 else _split_modifier(name)
    if modifier in MODIFIERS or modifier in TINTS:
        return modified(modifier, named_colour(base))
    raise KeyError(name)


def _split_modifier(name: str) -> tuple[str, str, str]:
    words = name.split()
    count = 2 if words[:1] == ["very"] else 1
    return " ".join(words[:count]), " ", " ".join(words[count:])


LISTED_NAMES = tuple(sorted(parse(CSS) | parse(COMMON)))
MODIFIABLE = tuple(name for name in LISTED_NAMES if name.split()[0] not in {*MODIFIERS, *TINTS, "off"})
USUAL = ("light", "dark", "pale", "deep", "medium", "bright")  # said more often than the other modifiers
HUES = tuple(
    name for name in (*PLAIN, *LISTED_NAMES) if " " not in name and chroma_of(PLAIN.get(name) or NAMED[name]) > 25
)
NEAR_HUE = 70.0  # degrees between colours whose names are said one after the other, "blue green"


def pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    """One of the choices."""
    return choices[int(rng.random() * len(choices))]


def sample_colour(rng: np.random.Generator, plain: float = 0.5) -> tuple[str, Rgb]:
    """A colour's phrase and sRGB: plain ones with this share, else names, words in front of them, and pairs."""
    chance = rng.random()
    if rng.random() < plain:
        look = pick(rng, list(PLAIN))
        name = pick(rng, COLOUR_WORDS[look]).replace("gray", "grey")
        rgb = NAMED.get(name, PLAIN[look])
    elif chance < 0.5:
        name = pick(rng, LISTED_NAMES if chance < 0.35 else tuple(NAMED))
        rgb = NAMED[name]
    elif chance < 0.9:
        base = pick(rng, tuple(PLAIN) if rng.random() < 0.5 else MODIFIABLE)
        modifier = pick(rng, (USUAL, tuple(MODIFIERS), tuple(TINTS))[int(rng.integers(3))])
        name = f"{modifier} {base}"
        rgb = NAMED.get(name) or modified(modifier, PLAIN.get(base) or NAMED[base])
    else:
        first, second = pick(rng, HUES), pick(rng, HUES)
        one, two = (PLAIN.get(hue) or NAMED[hue] for hue in (first, second))
        if first == second or abs((hue_of(one) - hue_of(two) + 180) % 360 - 180) > NEAR_HUE:
            return sample_colour(rng, plain)
        name = f"{first} {second}"
        rgb = NAMED.get(name) or between(one, two)
    if name in HELD_OUT:
        return sample_colour(rng, plain)
    spelled = name.replace("grey", "gray") if rng.random() < 0.4 else name
    return spelled + pick(rng, ("",) * 18 + (" coloured", " colored")), rgb
