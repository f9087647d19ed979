"""The StableVideo demo in the browser: `python app.py`, then open the address it prints."""

import argparse
import logging
from pathlib import Path

from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.session import Settings


def main() -> None:
    """Parse the arguments and serve the page until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=None, help="address to listen on; this machine only by default")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--share", action="store_true", help="ask Gradio for a public link")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder with the clips")
    parser.add_argument("--ckpt", type=Path, default=Path("ckpt"), help="the folder with the weights")
    parser.add_argument("--log", type=Path, default=Path("log"), help="the folder for results")
    parser.add_argument("--model", default=None, help="the model chosen at first")
    parser.add_argument("--device", default=None, help="cuda, mps or cpu; the best there is by default")
    parser.add_argument("--offload", action="store_true", help="save GPU memory, a little slower")
    parser.add_argument("--no-safety-checker", action="store_true", help="do not hold back flagged pictures")
    arguments = vars(parser.parse_args())
    host, port, share = (arguments.pop(name) for name in ("host", "port", "share"))
    settings = Settings(safety_checker=not arguments.pop("no_safety_checker"), **arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    build_app(settings).launch(server_name=host, server_port=port, share=share, **launch_options())


if __name__ == "__main__":
    main()
