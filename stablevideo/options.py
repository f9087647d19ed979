"""Options are frozen dataclasses: widgets, flags and JSON all come from their fields."""

import itertools
import math
import re
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_args

from .errors import InputError

LONGEST_PX = 768  # of a clip that is decomposed, unless a size is given
MOST_STRICT = 2.0  # a hint may be followed, or a LoRA laid on
LORA_NAME = re.compile(r"\w[\w.-]*")  # of a file, without its ending: no path
MOST_RADIUS = 64  # frames to either side, that have a say in one
# What a ControlNet can follow; which of them a model has differs.
HintKind = Literal["canny", "depth", "picture", "tile", "brightness", "softedge", "lineart"]
HINT_KINDS: tuple[HintKind, ...] = get_args(HintKind)
MESH_PX = 32  # a clip is worked on at no less than this
CURVE_STEP = 0.001  # between a curve's points, at the least
UNWANTED = (
    "lowres, bad anatomy, bad hands, missing fingers, extra digit, fewer digits, cropped, worst quality, low quality"
)


def option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    step: float = 1,
    offered: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with a one-line help and, for numbers, its range and the step of a slider.

    `offered` are values of a text that a page lets one pick; others can be typed.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "step": step, "offered": offered})


@dataclass(frozen=True)
class DiffusionOptions:
    """What edits share; the defaults are the original's. Which options of hints matter depends on those followed."""

    resolution: int = option(512, "short side of what the model paints, in pixels", 256, 1024, 64)
    steps: int = option(20, "denoising steps", 1, 100)
    guidance: float = option(9.0, "how strictly the picture follows the words", 1.0, 30.0, 0.1)
    eta: float = option(0.0, "fresh noise a step: 0 is DDIM, 1 is DDPM", 0.0, 1.0, 0.05)
    hints: str = option(
        "auto",
        "what of the source is followed and how strictly, such as 'depth 0.5, canny 0.5', of "
        f"{', '.join(HINT_KINDS)}, as far as the model knows them; auto takes what is usual",
        offered=("auto", *HINT_KINDS),
    )
    hint_scale: float = option(1.0, "how strictly all hints are followed", 0.0, MOST_STRICT, 0.05)
    seed: int = option(-1, "the same seed gives the same result; -1 draws one", -1, 2147483647)
    added_prompt: str = option("best quality, extremely detailed", "words put behind the prompt")
    negative_prompt: str = option(f"longbody, {UNWANTED}", "what the picture should not show")
    canny_low: int = option(100, "an edge weaker than this is dropped", 1, 255)
    canny_high: int = option(200, "an edge stronger than this starts a line", 1, 255)
    depth_resolution: int = option(512, "short side at which depth is estimated, in pixels", 128, 1024, 64)
    keep_detail: float = option(
        0.0, "how much of the source's fine detail takes the place of what was painted; colours stay", 0.0, 1.0, 0.05
    )
    lora: str = option("", "LoRA files that lie in ckpt/lora/, and how strongly, such as 'watercolour 0.8, glow 0.5'")

    def __post_init__(self) -> None:
        check_options(self)
        self.strengths()
        self.loras()

    def strengths(self) -> dict[HintKind, float]:
        """Hint -> how strictly it is followed; empty for auto. Raises InputError for what is neither."""
        asked = str(self.hints).strip()
        if asked == "auto":
            return {}
        found: dict[HintKind, float] = {}
        for name, strength in _with_strengths(asked):
            kind = next((kind for kind in HINT_KINDS if name == kind), None)
            if kind is None or kind in found or not 0 <= strength <= MOST_STRICT:
                raise InputError(
                    f"hints must be auto, or such as 'depth 0.5, canny 0.5', each once and from 0 to {MOST_STRICT:g}, "
                    f"of {', '.join(HINT_KINDS)}; got {self.hints!r}."
                )
            found[kind] = strength
        return found

    def loras(self) -> dict[str, float]:
        """LoRA file, without its ending -> how strongly it is laid on. Raises InputError for what is no such list."""
        found: dict[str, float] = {}
        for name, strength in _with_strengths(str(self.lora)) if str(self.lora).strip() else ():
            if not LORA_NAME.fullmatch(name) or name in found or not abs(strength) <= MOST_STRICT:
                raise InputError(
                    "lora must be empty, or names of files without their ending, each once, and how strongly, from "
                    f"-{MOST_STRICT:g} to {MOST_STRICT:g}, such as 'watercolour 0.8, glow'; got {self.lora!r}."
                )
            found[name] = strength
        return found


def _with_strengths(text: str) -> list[tuple[str, float]]:
    """'one 0.5, other' -> [('one', 0.5), ('other', 1.0)]; what is no number is NaN, what is no name is empty."""
    found = []
    for part in text.split(","):
        name, *rest = part.split() or [""]
        try:
            strength = float(rest[0]) if rest else 1.0
        except ValueError:
            strength = math.nan
        found.append((name if len(rest) < 2 else "", strength))
    return found


@dataclass(frozen=True)
class BackgroundOptions(DiffusionOptions):
    """Editing the background atlas as one picture, under its depth where nothing else is asked for."""


@dataclass(frozen=True)
class ForegroundOptions(DiffusionOptions):
    """Editing keyframes of the foreground, under canny edges where nothing else is asked for, and merging them."""

    added_prompt: str = option(DiffusionOptions.added_prompt + ", no background", "words put behind the prompt")
    negative_prompt: str = option(UNWANTED, "what the picture should not show")
    keyframes: str = option("auto", "frame numbers such as '0, 20, 40', or auto")
    strength: float = option(
        0.8, "how much of the appearance from earlier keyframes is painted anew: 1 is all", 0.0, 1.0, 0.01
    )
    color_correction: bool = option(
        True,
        "bring each keyframe's colours to the earlier ones': their means come about 30 % closer, the asked hue stays",
    )
    aggregation: Literal["merge", "network"] = option(
        "merge",
        "how keyframes become one atlas: a robust mean, or the original's network trained on top: 1 to 3 % closer to "
        "the keyframes, no closer between them, far slower",
    )


@dataclass(frozen=True)
class RestyleOptions(DiffusionOptions):
    """Painting the whole frames of a video, side by side."""

    window: int = option(8, "frames painted together; neighbouring windows share half of theirs", 1, 64)
    attention: int = option(
        8, "a frame looks at so many to each side while it is painted, within its window; 0 is at itself alone", 0, 64
    )
    colour_bias: float = option(
        0.0, "how much more a place looks at what has its colour in the source; 100 is strong", 0.0, 1000.0, 10
    )
    shared_noise: bool = option(True, "all frames begin at the same noise")
    deflicker: bool = option(True, "steady the frames along the source's motion, while they are painted and at the end")
    sharpen: float = option(0.0, "how much of the detail lost by steadying is put back at the end", 0.0, 2.0, 0.1)
    color_correction: bool = option(False, "take slow colour drift out at the end, held to the first painted frame")


@dataclass(frozen=True)
class RenderOptions:
    """Mapping atlases back to frames."""

    width: int = option(0, "width of the result in pixels; 0 keeps the clip's", 0, 4096, 2)
    height: int = option(0, "height of the result in pixels; 0 keeps the clip's", 0, 4096, 2)
    shading: bool = option(False, "keep the source's shadows and highlights on what was edited")
    part: Literal["all", "foreground", "edit"] = option(
        "all", "what is in the result: all, or the foreground or the edit alone, with transparency around it"
    )
    form: Literal["mp4", "mov", "webm", "png"] = option(
        "mp4", "mp4 with sound; ProRes 4444 (mov), WebM or PNG pictures, which keep transparency"
    )

    def __post_init__(self) -> None:
        check_options(self)
        check_size(self.width, self.height)
        if (self.part == "all") != (self.form == "mp4") and self.form != "png":
            raise InputError(
                f"{self.form} does not suit {self.part!r}: all of the clip is written as mp4 or png, the foreground or "
                "the edit alone as mov, webm or png."
            )
        if self.shading and self.part == "foreground":
            raise InputError("shading is measured on whole frames; leave it out for the foreground alone.")

    def size(self, clip_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the result for a clip of that size."""
        return (self.height, self.width) if self.width else clip_size


@dataclass(frozen=True)
class DecomposeOptions:
    """Splitting a clip into layers."""

    width: int = option(0, "width to work at, in pixels; 0 keeps the clip's, up to 768 on the longer side", 0, 1920, 2)
    height: int = option(0, "height to work at, in pixels", 0, 1920, 2)
    first_frame: int = option(0, "where in the video to begin", 0, 1000000)
    frames: int = option(0, "how many frames to use; 0 takes all from there on", 0, 600)
    quality: Literal["fine", "quick"] = option("fine", "quick takes two thirds of the time, for about 1 dB")
    flow: Literal["dis", "raft"] = option("dis", "RAFT sees fast and thin things better, and takes far longer")
    tracker: Literal["flow", "sam"] = option("flow", "what takes a mark through the clip: flow and edges, or SAM 2.1")

    def __post_init__(self) -> None:
        check_options(self)
        check_size(self.width, self.height)

    def size(self, clip_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width), both even, to work at for a clip of that size."""
        scale = min(1.0, LONGEST_PX / max(clip_size))
        height, width = (self.height, self.width) if self.width else (side * scale for side in clip_size)
        return max(MESH_PX, 2 * round(height / 2)), max(MESH_PX, 2 * round(width / 2))


@dataclass(frozen=True)
class DeflickerOptions:
    """Steadying a video in pixels."""

    engine: Literal["flow", "patch"] = option(
        "flow", "how the same things are found in two frames: optical flow, or patches that look alike, far slower"
    )
    flow: Literal["dis", "raft"] = option("dis", "RAFT sees fast and thin things better, and takes far longer")
    mode: Literal["accurate", "balanced", "fast"] = option(
        "accurate",
        "accurate also takes out wobble, in twice the time of balanced; fast adds frames up, for large clips",
    )
    window: str = option("auto", "how many frames to each side have a say, 1 to 64; auto goes by the flicker measured")
    color_correction: bool = option(
        False, "take slow colour drift out first, held to the source, or to the first frame"
    )
    seed: int = option(0, "of the patches' random search", 0, 2147483647)

    def __post_init__(self) -> None:
        check_options(self)
        self.radius()

    def radius(self) -> int | None:
        """The window as a number; None for auto. Raises InputError for what is neither."""
        if self.window.strip() == "auto":
            return None
        if not self.window.strip().isdigit() or not 1 <= int(self.window) <= MOST_RADIUS:
            raise InputError(f"window must be auto or a whole number from 1 to {MOST_RADIUS}, got {self.window!r}.")
        return int(self.window)


@dataclass(frozen=True)
class InterpolateOptions:
    """Carrying edited keyframes through a clip."""

    engine: Literal["flow", "patch"] = option(
        "flow", "how the same things are found in two frames: optical flow, or patches that look alike, far slower"
    )
    flow: Literal["dis", "raft"] = option("dis", "RAFT sees fast and thin things better, and takes far longer")
    seed: int = option(0, "of the patches' random search", 0, 2147483647)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class ColorCorrectionOptions:
    """Taking colour drift out of a video."""

    enable: bool = option(True, "off leaves every frame as it is")
    reference_frame: int = option(0, "the frame whose colours are right, or that gets the picture's", 0, 10000000)
    references: str = option("", "several frames that are right, such as '0, 40, 90', instead of that one")
    method: Literal["auto", "statistics"] = option(
        "auto", "auto compares the same things by pixel and motion; statistics gives all frames one mean and covariance"
    )
    keep_light: bool = option(
        False,
        "without a source: what changes slowly is light and stays, a sunrise; only leaps and flicker are taken out",
    )
    temporal_smoothing: float = option(
        0.2, "how much each frame's map is averaged with its neighbours'", 0.0, 1.0, 0.05
    )
    strength: float = option(1.0, "how much of the difference to the reference is taken out", 0.0, 1.0, 0.05)
    patch: str = option("", "LEFT,TOP,RIGHT,BOTTOM in pixels: what stands there must keep its colour")
    white_point: str = option("", "X,Y in pixels of the reference frame: what is there should be neutral")

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class RecolourOptions:
    """Turning, strengthening and lightening the colours of a layer."""

    hue: float = option(0.0, "degrees by which every hue is turned, as CIE LCh counts them", -180.0, 180.0)
    saturation: float = option(1.0, "times as colourful: 0 is grey, 1 keeps", 0.0, 4.0, 0.05)
    lightness: float = option(0.0, "added to the lightness L*, which goes from 0 to 100", -100.0, 100.0)
    curve: str = option("0,0 1,1", "points that lightness is led through, from,to in 0 to 1, such as '0,0 0.5,0.6 1,1'")

    def __post_init__(self) -> None:
        check_options(self)
        self.curve_points()

    def curve_points(self) -> list[tuple[float, float]]:
        """The curve's points (from, to) in [0, 1], in rising order. Raises InputError naming what is wrong."""
        pairs = [word.split(",") for word in self.curve.split()]
        try:
            points = [(float(start), float(end)) for start, end in pairs]
        except ValueError:
            raise InputError(f"curve must be points such as '0,0 0.5,0.6 1,1', got {self.curve!r}.") from None
        if len(points) < 2:
            raise InputError(f"curve must have at least two points, such as '0,0 1,1', got {self.curve!r}.")
        if not all(0 <= value <= 1 for point in points for value in point):
            raise InputError(f"curve's points must lie between 0 and 1, got {self.curve!r}.")
        if any(after[0] - before[0] < CURVE_STEP for before, after in itertools.pairwise(points)):
            raise InputError(f"curve's points must go from left to right, {CURVE_STEP} apart, got {self.curve!r}.")
        return points


@dataclass(frozen=True)
class StyleOptions:
    """Carrying the look of a picture over to a picture, an atlas or a video."""

    mode: Literal["artistic", "photo"] = option(
        "artistic", "artistic takes brush strokes and colours over, photo the colours and the light alone"
    )
    model: Literal["embedded", "ccpl"] = option(
        "embedded", "the built-in network, or the published one from its authors' files in ckpt/ccpl"
    )
    strength: float = option(1.0, "how much of the style is seen: 0 leaves the picture as it was", 0.0, 1.0, 0.05)
    strength_over_time: str = option("", "strengths at some frames of a video, such as '0=0, 48=1', linear between")
    keep_colours: bool = option(False, "only the strokes are taken over, the colours stay")
    share: float = option(0.5, "of two styles that are mixed, how much of the second", 0.0, 1.0, 0.05)
    smoothing_s: float = option(
        0.5,
        "over how many seconds what a video's frames are like is averaged, so that its colours do not pump",
        0,
        10,
        0.1,
    )

    def __post_init__(self) -> None:
        check_options(self)
        self.strengths()

    def strengths(self) -> list[tuple[int, float]]:
        """(frame, strength) in rising order; one at frame 0 by default. Raises InputError for what is none."""
        if not self.strength_over_time.strip():
            return [(0, self.strength)]
        try:
            pairs = [part.split("=") for part in self.strength_over_time.split(",")]
            found = [(int(frame), float(strength)) for frame, strength in pairs]
        except ValueError:
            found = []
        rising = all(before[0] < after[0] for before, after in itertools.pairwise(found))
        if not found or not rising or not all(frame >= 0 and 0 <= strength <= 1 for frame, strength in found):
            raise InputError(
                "strength_over_time must be such as '0=0, 48=1': frames in rising order, strengths from 0 to 1; "
                f"got {self.strength_over_time!r}."
            )
        return found


def choices(item: Field) -> tuple[str, ...]:
    """The values a `Literal` field admits; none for any other field."""
    return get_args(item.type) if getattr(item.type, "__origin__", None) is Literal else ()


def check_size(width: int, height: int) -> None:
    """Raise InputError where only one side is given."""
    if (width == 0) != (height == 0):
        raise InputError(f"give width and height together, got {width}x{height}.")


def check_options(options: Any) -> None:
    """Raise InputError for a field outside its range, naming it, its value and what is expected."""
    for item in fields(options):
        value, meta = getattr(options, item.name), item.metadata
        if choices(item) and value not in choices(item):
            raise InputError(f"{item.name} must be one of {', '.join(choices(item))}; got {value!r}.")
        if meta["low"] is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{item.name} must be a number, got {value!r}.")
        if item.type is int and value != int(value):
            raise InputError(f"{item.name} must be a whole number, got {value!r}.")
        if not meta["low"] <= value <= meta["high"]:
            raise InputError(f"{item.name} must lie between {meta['low']} and {meta['high']}, got {value}.")
