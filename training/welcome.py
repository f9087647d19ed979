"""The edit that the page shows first: `python -m training.welcome`, after the embedded model was trained anew."""

import argparse
from pathlib import Path

from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground, load_clip, load_editor
from stablevideo.ui.welcome import save_welcome

WORDS = ("a red car", "autumn scene")
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Command-line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=ROOT / "data" / "sample")
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    arguments = parser.parse_args()
    clip, editor = load_clip(arguments.clip), load_editor("embedded", arguments.ckpt, "cpu")
    own = {**editor.spec.defaults, "seed": 1}
    front = edit_foreground(clip, WORDS[0], editor, ForegroundOptions(**own))
    back = edit_background(clip, WORDS[1], editor, BackgroundOptions(**own))
    save_welcome({"foreground": front, "background": back}, arguments.clip)


if __name__ == "__main__":
    main()
