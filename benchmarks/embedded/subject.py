"""Clips and pictures that the embedded model edits, and the words that it is given."""

from dataclasses import dataclass

import cv2
import torch

from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground
from stablevideo.color.source_detail import keep_detail
from training.embedded.evaluate import lab_statistics
from training.embedded.materials import MATERIALS, PATTERNS

FRAMES = 5  # of the render are measured
ALL_MATERIALS = (*MATERIALS, "lava", *PATTERNS)
NOUNS = {"sample": "car"}  # of clips that are not named after what they show
SCENE_PROMPTS = {"snow": "snowy landscape", "night": "landscape at night", "sunset": "landscape at sunset",
                 "autumn": "autumn scene", "fog": "foggy landscape", "storm": "stormy landscape"}  # fmt: skip

MATERIAL_PROMPTS = {"wood": "wooden", "gold": "golden", "grass": "grassy", "stripes": "striped", "dots": "dotted",
                    "checks": "checkered"}  # fmt: skip
STYLE_PROMPTS = {"oil": "oil painting of a", "sketch": "pencil sketch of a", "pixel": "pixel art"}


@dataclass
class Subject:
    """A clip with its model, and what its unedited frames look like."""

    clip: object
    editor: object
    noun: str

    def __post_init__(self):
        self.frames = [round(i * (self.clip.frame_count - 1) / (FRAMES - 1)) for i in range(FRAMES)]
        alpha = self.clip.alpha(self.frames)[:, 0].numpy()
        self.inside, self.outside = alpha > 0.9, alpha < 0.1
        self.untouched = alpha == 0
        self.before = self.render()

    def render(self, **atlases):
        frames = torch.cat(list(self.clip.render(frames=self.frames, **atlases)))
        return frames.permute(0, 2, 3, 1).numpy()

    def options(self, kind, **changes):
        return kind(**{**self.editor.spec.defaults, "seed": 1, **changes})

    def foreground(self, prompt, **changes):
        """The edit, and its frames."""
        edit = edit_foreground(self.clip, prompt, self.editor, self.options(ForegroundOptions, **changes))
        return edit, self.render(foreground=edit.atlas)

    def background(self, prompt, **changes):
        edit = edit_background(self.clip, prompt, self.editor, self.options(BackgroundOptions, **changes))
        return self.render(background=edit.atlas)


def picture_of(tensor):
    return tensor.permute(1, 2, 0).numpy()


def painter(editor, **changes):
    """Paints a picture [3, h, w] with words, by the model's usual options."""
    options = ForegroundOptions(**{**editor.spec.defaults, **changes})

    def paint(picture, prompt):
        hints = editor.hints_maker(editor.strengths(options, "canny"), options)(picture, tuple(picture.shape[1:]))
        painted = editor.paint(prompt, hints, options, torch.Generator().manual_seed(1))
        return keep_detail(painted, picture, editor.spec.kept_detail(prompt, options))

    return paint


def in_a_row(frames, masks):
    """Frames [n, h, w, 3] and masks [n, h, w] as one picture and one mask."""
    return frames.reshape(-1, frames.shape[2], 3), masks.reshape(-1, masks.shape[2])


def lab_of(frames, masks):
    return lab_statistics(*in_a_row(frames, masks))


def words_for(look):
    return MATERIAL_PROMPTS.get(look) or STYLE_PROMPTS.get(look) or look


def middle_frame(path, side=256):
    """A video's middle frame at 256 x 256, [3, h, w]."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_FRAME_COUNT) // 2)
    return squared(capture.read()[1][..., ::-1], side)


def squared(picture, side):
    """The middle of a picture [h, w, 3] uint8 at side x side, [3, h, w] in [0, 1]."""
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = cv2.resize(picture[top : top + least, left : left + least], (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(square.copy()).permute(2, 0, 1) / 255
