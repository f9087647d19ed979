"""Shared places and clips. Real clips are used where they lie beside the project, and skipped where not."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Tests bake into a cache of their own: nothing stale is ever read, and no page deletes what another was given.

    Nor is anything fetched into the project's own `ckpt/`; and what pages leave behind is no other run's.
    """
    os.environ["TMPDIR"] = tempfile.tempdir = str(tmp_path_factory.mktemp("temp"))
    from stablevideo.decompose import salient

    salient.missed.add(ROOT / "ckpt" / salient.FILE)
    os.environ["STABLEVIDEO_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="session")
def data():
    return ROOT / "data"


@pytest.fixture(scope="session")
def ckpt():
    return ROOT / "ckpt"


@pytest.fixture(scope="session")
def sample(data):
    from stablevideo import load_clip

    return load_clip(data / "sample")


@pytest.fixture(scope="session")
def bear_folder():
    if not (REAL / "bear" / "checkpoint").is_file():
        pytest.skip(f"no real clip in {REAL}")
    return REAL / "bear"


@pytest.fixture(scope="session")
def bear(bear_folder):
    from stablevideo import load_clip

    return load_clip(bear_folder)


@pytest.fixture(scope="session")
def editor(ckpt):
    from stablevideo import load_editor

    return load_editor("embedded", ckpt, "cpu")


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Runs `stablevideo ARGUMENTS` within this process -> its exit code and what it said."""
    from stablevideo.__main__ import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["stablevideo", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's package `chromium`")
    return found


@pytest.fixture
def loud_attention(editor):
    """The embedded model's one self-attention says so little that no test could hear it: here it is made louder."""
    weight = editor.pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_out[0].weight
    own = weight.data.clone()
    weight.data *= 1000
    yield
    weight.data.copy_(own)
