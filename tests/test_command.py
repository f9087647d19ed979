"""The command as a person types it: what it prints, what it leaves, how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stablevideo import read_video
from stablevideo.video.pictures import write_picture

ROOT = Path(__file__).parent.parent
APART = [sys.executable, "-m", "stablevideo"]


@pytest.fixture
def run(run_command, data, ckpt):
    """The command on the project's clips and weights."""

    def run(*arguments):
        weights = ["--ckpt", ckpt] if arguments[0] == "edit" and "--ckpt" not in arguments else []
        return run_command(*arguments, "--data", data, *weights)

    return run


def test_edit_writes_a_run_and_one_json_object(run, tmp_path):
    output = tmp_path / "out" / "orange.mp4"
    done = run(
        "edit", "sample", "--model", "embedded", "--log", tmp_path / "log", "--json", "--foreground", "an orange suv",
        "--background", "winter scene", "--keyframes", "8,40", "--steps", 2, "--seed", 5, "-o", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["foreground"]["seed"] == facts["background"]["seed"] == 5
    assert facts["foreground"]["resolution"] == 256  # the model's own default
    assert len(read_video(output)) == 48
    folder = Path(facts["folder"])
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")}
    assert {"video.mp4", "settings.json", "foreground.png", "background.png", "keyframes/00040-after.png"} <= names


def test_render_in_a_process_of_its_own_with_an_atlas_of_ones_own(sample, data, tmp_path):
    picture = sample.background.atlas.clone()
    picture[:] = 0.5
    write_picture(tmp_path / "grey.png", picture)
    done = subprocess.run(
        [*APART, "render", "sample", "--background-atlas", tmp_path / "grey.png", "--size", "192x108",
         "--data", data, "--log", tmp_path / "log"], cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    video = read_video(done.stdout.strip())
    assert video.size == (108, 192)
    assert abs(video.frames([20])[0, :, 4, 4].float().mean() / 255 - 0.5) < 0.03


WRONG = {
    "unknown clip": (["render", "nowhere"], "no clip 'nowhere'"),
    "a path for a name": (["render", "../sample"], "no clip name"),
    "a slash": (["render", "a/b"], "no clip name"),
    "nothing to do": (["edit", "sample"], "nothing to do"),
    "unknown model": (["edit", "sample", "--foreground", "x", "--model", "magic"], "no model 'magic'"),
    "keyframe out of range": (
        ["edit", "sample", "--model", "embedded", "--foreground", "x", "--keyframes", "48"],
        "keyframe 48 is out of range",
    ),
    "no keyframe": (
        ["edit", "sample", "--model", "embedded", "--foreground", "x", "--keyframes", " "],
        "no keyframe is given",
    ),
    "steps out of range": (
        ["edit", "sample", "--model", "embedded", "--foreground", "x", "--steps", "0"],
        "steps must lie between 1 and 100",
    ),
    "bad size": (["render", "sample", "--size", "big"], "must look like 768x432"),
    "no picture": (["render", "sample", "--foreground-atlas", ROOT / "app.py"], "no picture that can be read"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_wrong_input_is_one_sentence_and_exit_code_2(run, tmp_path, arguments, said):
    done = run(*arguments, "--log", tmp_path / "log")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("stablevideo:")]) == 1
    assert not (tmp_path / "log").exists() or not list((tmp_path / "log").iterdir())


def test_atlas_of_the_wrong_size(run, tmp_path, sample):
    write_picture(tmp_path / "small.png", sample.foreground.atlas[:, :50, :50])
    done = run("render", "sample", "--foreground-atlas", tmp_path / "small.png", "--log", tmp_path / "log")
    assert done.returncode == 2
    assert "the foreground atlas must have its aspect, 1053x569, got 50x50" in done.stderr
    assert "got 50x50" in done.stderr


def test_a_wrong_input_in_a_process_of_its_own_shows_no_traceback(data):
    done = subprocess.run([*APART, "render", "nowhere", "--data", data], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("stablevideo: ")
    assert done.stderr.count("\n") == 1


def test_missing_weights_where_the_hub_does_not_answer(run, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = run("edit", "sample", "--foreground", "x", "--model", "sd15", "--ckpt", tmp_path, "--log", tmp_path / "log")
    assert done.returncode == 2
    assert "the Hub cannot be reached" in done.stderr


def test_help_names_every_flag(run):
    text = run("edit", "--help").stdout
    for flag in ("--foreground", "--keyframes", "--seed", "--strength", "--canny-low", "--json", "--offload"):
        assert flag in text
