"""What `pip install` gives: the metadata, and (slow) a wheel that works far from any checkout."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

import stablevideo
from hatch_build import EXTRAS, Requirements
from stablevideo.video.read import read_video

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_dependencies_are_those_of_the_requirements_files():
    metadata = {}
    Requirements(str(ROOT), {}).update(metadata)
    extras = metadata["optional-dependencies"]
    assert any(line.startswith("torch==") for line in metadata["dependencies"])
    assert set(extras) == set(EXTRAS) == {"dev", "training"}
    assert any(line.startswith("pytest==") for line in extras["dev"])
    for line in [*metadata["dependencies"], *extras["dev"], *extras["training"]]:
        name, separator, version = line.partition("==")
        assert name, line
        assert separator, line
        assert version[0].isdigit(), line
        assert " " not in line, line


def test_the_console_command_is_there(project):
    module, _, function = project["project"]["scripts"]["stablevideo"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_what_the_wheel_brings_along_is_there(project):
    brought = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {"ckpt/embedded", "ckpt/embedded-style", "data/sample"} == set(brought)
    for source, target in brought.items():
        assert (ROOT / source).is_dir()
        assert target == f"stablevideo/built_in/{source}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel in it, beside the dependencies of this one -> its folder of commands."""
    folder = tmp_path_factory.mktemp("installed")
    builder = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", builder, folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    here = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    (Path(here) / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheel = folder / built.stdout.splitlines()[-1]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    return folder / "env" / "bin"


@pytest.mark.slow
def test_an_installed_wheel_renders_the_sample_from_anywhere(installed, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STABLEVIDEO", "XDG"))}
    home = tmp_path / "home"
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments):
        return subprocess.run(
            [installed / arguments[0], *arguments[1:]], cwd=tmp_path / "elsewhere",
            env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    where = run("python", "-c", "import stablevideo; print(stablevideo.__version__, stablevideo.__file__)")
    assert where.split()[0] == stablevideo.__version__
    assert Path(where.split()[1]).is_relative_to(installed.parent)
    assert "render" in run("stablevideo", "--help")
    run("stablevideo", "render", "sample", "-o", "sample.mp4")
    assert len(read_video(tmp_path / "elsewhere" / "sample.mp4")) == 48
    run("stablevideo", "edit", "sample", "--foreground", "a red car", "--model", "embedded", "--steps", "2")
    kept = home / ".local" / "share" / "stablevideo"
    assert sorted(path.name for path in kept.iterdir()) == ["ckpt", "data", "log"]
    assert len(list((kept / "log").glob("*/video.mp4"))) == 2
