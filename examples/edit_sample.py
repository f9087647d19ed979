"""Edit the sample clip's car with words, by the small built-in model, and write the video.

python examples/edit_sample.py
"""

from stablevideo import ForegroundOptions, edit_foreground, load_clip, load_editor, write_video
from stablevideo.places import default_folder


def main() -> None:
    """Load, edit, render: each step is one call."""
    clip = load_clip(default_folder("data") / "sample")
    editor = load_editor("embedded")
    options = ForegroundOptions(**{**editor.spec.defaults, "seed": 1, "keyframes": "8, 24, 40"})
    edit = edit_foreground(clip, "a picture of an orange suv", editor, options)
    write_video(clip.render(foreground=edit.atlas), "orange.mp4", clip.video.fps)


if __name__ == "__main__":
    main()
