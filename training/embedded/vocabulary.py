"""The words: what calls each look, what looks are asked with, and what means nothing."""

from __future__ import annotations

from itertools import product

from .colours import COLOUR_WORDS, COMMON, CSS, HELD_OUT, MODIFIERS, NAMED, PLAIN, TINTS, parse

# Each look and the words or phrases that call it.
NAMED_WORDS: dict[str, tuple[str, ...]] = {name: (name,) for name in sorted(parse(CSS) | parse(COMMON))}
MATERIAL_WORDS = {
    "wood": ("wooden", "wood", "made of wood", "timber", "out of wood"),
    "gold": ("golden", "gold", "made of gold", "gilded", "solid gold"),
    "silver": ("silver", "metal", "chrome", "made of metal", "silvery", "metallic", "made of silver"),
    "copper": ("copper", "bronze", "made of copper", "made of bronze"),
    "brick": ("brick", "bricks", "made of bricks", "brickwork"),
    "grass": ("grass", "leaves", "grassy", "made of leaves", "made of grass", "leafy", "turf"),
    "marble": ("marble", "made of marble", "carved in marble"),
    "ice": ("ice", "icy", "frozen", "made of ice", "frosted"),
    "stone": ("stone", "rock", "made of stone", "granite", "carved in stone", "rocky"),
    "lava": ("lava", "magma", "made of lava", "molten lava"),
    "leather": ("leather", "made of leather", "leathery"),
    "moss": ("moss", "mossy", "made of moss", "covered in moss"),
}
PATTERN_WORDS = {
    "stripes": ("striped", "stripes", "with stripes", "stripy"),
    "dots": ("dotted", "dots", "with polka dots", "spotted", "with spots"),
    "checks": ("checkered", "checks", "chequered", "checked", "with checks", "plaid"),
}
SCENE_WORDS = {
    "snow": ("snow", "snowy", "winter", "in the snow", "winter scene", "wintry", "in winter", "covered in snow"),
    "autumn": ("autumn", "fall", "autumn scene", "in autumn", "autumnal", "autumn leaves"),
    "night": ("night", "at night", "night scene", "moonlight", "nighttime", "moonlit", "at midnight", "starry night"),
    "sunset": ("sunset", "at sunset", "dusk", "sunrise", "at dawn", "evening light"),
    "desert": ("desert", "sand", "sandy", "in the desert", "dunes", "sand dunes"),
    "fog": ("fog", "foggy", "mist", "misty", "in the fog", "haze", "hazy"),
    "rain": ("rain", "rainy", "in the rain", "raining", "rainy day", "drizzle"),
    "underwater": ("underwater", "under water", "ocean", "under the sea", "undersea", "submerged"),
    "spring": ("spring", "blossom", "in spring", "spring scene", "springtime", "blossoms", "in bloom"),
    "storm": ("storm", "stormy", "thunderstorm", "lightning", "thunder", "in a storm"),
}
STYLE_WORDS = {
    "oil": ("oil painting", "an oil painting of", "van gogh style", "in oil", "oil paint", "impressionist"),
    "sketch": ("pencil sketch", "sketch", "a pencil drawing of", "drawing", "in pencil", "sketched", "drawn"),
    "watercolour": ("watercolour", "watercolor", "a watercolor painting of", "watercolour painting", "aquarelle"),
    "cartoon": ("cartoon", "comic", "anime", "cartoon style", "comic book", "manga"),
    "mosaic": ("mosaic", "tiles", "a mosaic of", "tiled", "mosaic tiles"),
    "pixel": ("pixel art", "pixel", "8 bit pixels", "pixelated", "8 bit"),
}
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "colours": COLOUR_WORDS,
    "named colours": NAMED_WORDS,
    "materials": MATERIAL_WORDS,
    "patterns": PATTERN_WORDS,
    "scenes": SCENE_WORDS,
    "styles": STYLE_WORDS,
}
# Parts that can be asked for alone, and the nouns that name them.
REGIONS = {
    "roof": ("roof", "roofs", "rooftop"),
    "windows": ("windows", "window", "panes"),
    "wheels": ("wheels", "wheel", "tyres", "tires"),
    "body": ("body", "bodywork", "torso"),
    "walls": ("walls", "wall", "facade"),
    "door": ("door", "doors", "gate"),
    "head": ("head", "heads", "face"),
    "legs": ("legs", "leg", "feet", "paws"),
    "sky": ("sky", "skies", "clouds"),
    "trees": ("trees", "tree", "bushes"),
    "ground": ("ground", "floor", "earth"),
    "road": ("road", "street", "path", "track"),
    "water": ("water", "river", "lake", "pond"),
    "mountains": ("mountains", "mountain", "hills", "hill", "peaks"),
    "house": ("house", "houses", "building", "buildings", "cottage"),
    "rocks": ("rocks", "boulders", "cliffs", "cliff"),
}
PARTS = tuple(word for words in REGIONS.values() for word in words)
OBJECT_NOUNS = (
    "bear", "cat", "dog", "horse", "cow", "bird", "car", "suv", "van", "truck", "bus", "boat", "bike", "vase",
    "bottle", "tower", "statue", "toy", "man", "woman", "person", "dancer", "shape", "thing", "swan", "camel",
    "elephant", "object", "dress", "chair", "cup", "fish", "lamp", "jeep", "train", "rabbit", "duck", "ball",
)  # fmt: skip
PLACE_NOUNS = (
    "scene", "landscape", "forest", "city", "garden", "park", "field", "background", "view", "place", "beach",
    "countryside", "room", "village", "valley", "town", "scenery", "backdrop", "surroundings", "world", "square",
)  # fmt: skip
OPENINGS = (
    "a picture of", "a photo of", "an image of", "picture of", "the", "photo", "rendering of", "photograph of",
    "a video of", "close up of", "", "", "", "", "", "",
)  # fmt: skip
# Sentences are a way of asking around a wish, or a statement: {thing} is what it is about, {} the looks.
ASKING = (
    "{}", "please {}", "could you {}?", "can you {} please", "i want you to {}", "now {}", "let us {}", "just {}",
    "{} for me", "we should {}",
)  # fmt: skip
WISHES = (
    "make {thing} {}", "turn {thing} into {}", "paint {thing} {}", "make it {}", "turn it {}", "change {thing} to {}",
    "give {thing} a {} look", "show {thing} in {}", "make this look like {}", "render {thing} as {}", "have it be {}",
    "recolour {thing} to {}",
)  # fmt: skip
STATEMENTS = (
    "{thing} is {}", "it is {}", "{thing} in {}", "{thing} looks {}", "{} everywhere", "all of {thing} is {}",
    "{thing} has turned {}", "i see {thing}, {}", "{thing} that is {}", "this is {thing} but {}", "as if it were {}",
    "what if {thing} was {}?", "{}, please", "everything is {}",
)  # fmt: skip
SENTENCES = (*(ask.format(wish) for ask, wish in product(ASKING, WISHES)), *STATEMENTS)
ABOUT = tuple(sentence for sentence in SENTENCES if "{thing}" in sentence)
# Never in training: they show that the words still work in sentences that were not heard.
HELD_OUT_SENTENCES = (
    "would love to see the thing in {}",
    "how about {} instead",
    "my favourite version of this would be {}",
    "imagine that it had always been {} from the start",
    "{} suits this clip much better",
    "let the subject appear {} in each frame",
    "transform whatever is shown here so that it becomes {}",
    "she said it should be {} when she saw him",
    "convert the footage: {}",
    "i wonder how this looks if somebody chooses {}",
    "the client asked for {} again",
    "go for {} this time, nothing else",
)
# What stands beside the thing is named, and yet no look is asked of it: "the red car on the road". Words cannot tell
# this from a wish for a part, but pictures can, where there is no such part.
BESIDE = (
    "on the {}", "on a {}", "near the {}", "by a {}", "beside the {}", "behind a {}", "in front of the {}",
    "with a {}", "with big {}", "next to a {}",
)  # fmt: skip
LIGHT_WORDS = ("dark", "bright", "light", "soft", "vivid", "dim")  # without a colour they ask for nothing
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
covered colored coloured hundred scared shared fired tired wired cured bored stored restored layered feathered
flowered powered sacred infrared blurred textured structured armored armoured weathered scattered shattered haired
furred featured centered desired inspired altered offered ordered rendered hammered lettered filtered gathered
bordered mirrored figured flavored flavoured squared smeared cleared geared appeared prepared compared splattered
cluttered fluttered discovered hovered watered tapered tempered wandered cornered towered showered lowered captured
pictured fractured cultured measured poured scarred starred injured nice price juice rice voice office notice service
device mice dice slice twice police advice choice spice lattice precipice train brain grain terrain drain strain soil
foil boil coil spoil thousand textile textiles reptiles chemist optimist shamrock offspring tonight knight withdrawing
hollywood plywood marigold shrink policy number message part delivery practice interface trust outdoor surface justice
sold flight recovery referred ahead outdoors proof notebook discovery preferred massage underground apart exhibit
handbook guestbook everybody palace warehouse nobody indoor overnight wash firewall metropolitan declared founder
somebody passage transferred translate anybody highlight spotlight necklace scored soundtrack railroad venice
aggregate cookbook speaks ignored slight alpine overhead textbook antibody dosage sacrifice malpractice waterproof
delight deferred monitored greenhouse orbit spine hardwood redhead groundwater depart megapixel habit playground
caravan wastewater debit tailored withdrawn freshwater scream daylight slavery mozart squash lumber straw explored
maurice juicy rainfall economist greenwood thrust scrapbook tibetan clearwater sunlight evergreen prohibit hatred
every start heart chart sublime manhattan hired expired bhutan ivan restart titan delegate lighthouse satan hobart
bart cart smart mart nash foreground waterfall waterfalls milestone gemstone cornerstone courthouse farmhouse
playhouse penthouse townhouse flashlight headlight headlights starlight forehead snowfall wildfire campfire driftwood
crust tart dart spicy ultraviolet sweetheart indoors clubhouse guesthouse cucumber plumber monochrome peppermint
stared aired barred stirred admired favored bred cartwheel treehouse doghouse rooftops skylight blacksmith goldfish
silverware colourful colorful usage fold hold told household bold threshold mold cold dash bash
"""
LITTLE_WORDS = (
    "a", "an", "the", "of", "in", "on", "at", "by", "and", "made", "style", "to", "is", "are", "out", "carved",
    "solid", "covered", "day", "scene", "whose", "only",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOOK_WORDS = {"material": MATERIAL_WORDS, "pattern": PATTERN_WORDS, "scene": SCENE_WORDS, "style": STYLE_WORDS}


def _words_of_looks() -> set[str]:
    phrases = [phrase for table in KINDS.values() for words in table.values() for phrase in words]
    phrases += [*PLAIN, *NAMED, *HELD_OUT, *MODIFIERS, *TINTS]
    return {word for phrase in phrases for word in phrase.split() if word.isalpha()} - set(LITTLE_WORDS)


WORDS_OF_LOOKS = _words_of_looks()
