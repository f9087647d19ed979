"""The StableVideo demo in the browser: `python app.py`, then open the address it prints."""

import argparse
import logging
import os
from pathlib import Path

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401  before torch, which it changes

from stablevideo.device import resolve
from stablevideo.errors import InputError
from stablevideo.places import default_folder
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.settings import Settings, for_one_person, gpu_is_lent, read_logins


def main() -> None:
    """Parse the arguments and serve the page until it is stopped."""
    parser = _parser()
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = _settings(arguments)
        auth = read_logins(arguments.auth_file) if arguments.auth_file else None
    except InputError as error:
        parser.error(str(error))
    page = build_app(settings)
    address = {"server_name": arguments.host, "server_port": arguments.port, "share": arguments.share}
    page.launch(auth=auth, mcp_server=arguments.mcp or None, **address, **launch_options())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=None, help="address to listen on; this machine only by default")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--share", action="store_true", help="ask Gradio for a public link")
    parser.add_argument(
        "--auth-file", type=Path, default=None, help="who may come in: a file with NAME:PASSWORD in each line"
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="let assistants edit clips too, by MCP at /gradio_api/mcp/ (pip install 'gradio[mcp]')",
    )
    parser.add_argument("--data", type=Path, default=None, help="the folder with the clips")
    parser.add_argument("--ckpt", type=Path, default=None, help="the folder with the weights")
    parser.add_argument("--log", type=Path, default=None, help="the folder for results")
    parser.add_argument("--model", default=None, help="the model chosen at first")
    parser.add_argument("--device", default=None, help="cuda, mps or cpu; the best there is by default")
    parser.add_argument("--offload", action="store_true", help="save GPU memory, a little slower")
    parser.add_argument("--no-safety-checker", action="store_true", help="do not hold back flagged pictures")
    parser.add_argument(
        "--keep-clips",
        action="store_true",
        help="keep what visitors make, where all of them see it; without this, a page that others can reach shows "
        "each visitor's clips to that visitor only, and removes them at the end of the visit",
    )
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    lent = gpu_is_lent() and arguments.device is None
    return Settings(
        data=arguments.data or default_folder("data"),
        ckpt=arguments.ckpt or default_folder("ckpt"),
        log=arguments.log or default_folder("log"),
        model=arguments.model,
        device=resolve("cpu" if lent else arguments.device),
        offload=arguments.offload,
        safety_checker=not arguments.no_safety_checker,
        one_person=for_one_person(arguments.host, arguments.share),
        keep_clips=arguments.keep_clips,
        lent_gpu=lent,
    )


if __name__ == "__main__":
    main()
