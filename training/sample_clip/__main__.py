"""`python -m training.sample_clip` draws the sample clip and fits its checkpoint: half an hour on one core."""

import argparse
import logging
from pathlib import Path

from .fit import fit, judge
from .scene import Scene, write_clip

logger = logging.getLogger(__name__)


def main() -> None:
    """Draw, fit, and log how well the checkpoint does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("data/sample"), help="the clip's folder")
    parser.add_argument("--work", type=Path, default=Path("log/sample.partial"), help="keeps an unfinished fit")
    parser.add_argument("--effort", type=float, default=1.0, help="scales the number of training steps")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    scene = Scene.paint()
    write_clip(options.folder, scene)
    fit(options.folder, scene, options.work, options.effort)
    logger.info("%s", judge(options.folder, scene))


if __name__ == "__main__":
    main()
