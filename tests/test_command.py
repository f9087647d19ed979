"""The command as a person types it: what it prints, what it leaves, how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stablevideo import InputError, measure, read_video, write_video
from stablevideo.commands.outputs import file_names
from stablevideo.video.pictures import write_picture
from tests.clips import flickering, write_tone

ROOT = Path(__file__).parent.parent
WALL, COUNT, FPS = (64, 96), 9, 12
APART = [sys.executable, "-m", "stablevideo"]


@pytest.fixture
def run(run_command, data, ckpt):
    """The command on the project's clips and weights."""

    def run(*arguments):
        weights = ["--ckpt", ckpt] if arguments[0] == "edit" and "--ckpt" not in arguments else []
        return run_command(*arguments, "--data", data, *weights)

    return run


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A folder with small videos: a wall, the same flickering, with sound, and what does not fit it."""
    folder = tmp_path_factory.mktemp("videos")
    clean, lit = flickering(WALL, COUNT)
    write_video([clean], folder / "clean.mp4", FPS, crf=4)
    write_video([lit], folder / "lit.mp4", FPS, write_tone(folder / "tone.wav", COUNT / FPS), crf=4)
    write_video([clean[:5]], folder / "short.mp4", FPS)
    write_video([clean[:, :, :, :64]], folder / "square.mp4", FPS)
    write_video([clean], folder / "quick.mp4", 2 * FPS)
    write_video([clean[:1]], folder / "one.mp4", FPS)
    write_video([clean[:3]], folder / "three.mp4", FPS)
    write_video([clean[4:7]], folder / "others.mp4", FPS)
    (folder / "prompts.txt").write_text("# what to paint\n\nwinter scene\n  an oil painting, night  \n")
    (folder / "no-prompts.txt").write_text("\n# nothing yet\n   \n")
    (folder / "no-video.mp4").write_text("not a video")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("guide", [[], ["--guide", "clean.mp4"]])
def test_deflicker_takes_flicker_out(run_command, videos, tmp_path, guide):
    output = tmp_path / "new" / "steady.mp4"
    guide = [videos / name if name.endswith("mp4") else name for name in guide]
    done = run_command("deflicker", videos / "lit.mp4", *guide, "--device", "cpu", "-o", output, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"video": str(output), "frames": COUNT}
    made, lit, clean = read_video(output), read_video(videos / "lit.mp4"), read_video(videos / "clean.mp4")
    assert (made.size, made.fps, made.has_audio) == (WALL, FPS, True)
    before, after = (measure(one, clean).video.warp_error for one in (lit, made))
    assert after < before / 10
    assert [path.name for path in output.parent.iterdir()] == ["steady.mp4"]


def test_deflicker_hears_its_flags(run_command, videos, tmp_path):
    made = []
    for window in ("1", "8"):
        output = tmp_path / f"{window}.mp4"
        flags = ["--window", window, "--mode", "fast", "--device", "cpu"]
        assert run_command("deflicker", videos / "lit.mp4", *flags, "-o", output).returncode == 0
        made.append(measure(read_video(output)).video.warp_error)
    assert made[1] < made[0] / 2


PAINTED = ["--model", "embedded", "--device", "cpu", "--steps", "2", "--seed", "5", "--json"]


@pytest.fixture
def small(monkeypatch):
    """Paint smaller than a person may ask for."""
    module = sys.modules["stablevideo.deflicker.restyle"]
    monkeypatch.setattr(module, "paint_size", lambda size, resolution: (64, 64 * size[1] // size[0]))
    monkeypatch.setattr("stablevideo.diffusion.memory.free_memory", lambda: None)  # it takes longer than painting


@pytest.mark.usefixtures("small")
def test_restyle_paints_a_video_anew(run_command, videos, ckpt, tmp_path):
    output, source = tmp_path / "new" / "winter.mp4", videos / "three.mp4"
    done = run_command("restyle", source, "--prompt", "winter scene", *PAINTED, "--ckpt", ckpt, "-o", output)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["video"], facts["frames"]) == (str(output), 3)
    told = {name: facts["settings"][name] for name in ("prompt", "model", "seed", "steps", "guidance")}
    # The guidance is the model's own.
    assert told == {"prompt": "winter scene", "model": "embedded", "seed": 5, "steps": 2, "guidance": 1.0}
    video = read_video(output)
    assert (video.size, video.fps, video.frame_count) == (WALL, FPS, 3)
    assert (video.frames(range(3)).float() - read_video(source).frames(range(3)).float()).abs().mean() > 10
    assert [path.name for path in output.parent.iterdir()] == ["winter.mp4"]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_restyle_paints_every_video_by_every_prompt_and_loads_its_model_once(
    run_command, videos, ckpt, tmp_path, monkeypatch
):
    from stablevideo.diffusion import load as loading

    loaded, load = [], loading.load_editor
    monkeypatch.setattr(loading, "load_editor", lambda *given: loaded.append(given) or load(*given))
    sources = [videos / "three.mp4", videos / "others.mp4"]
    done = run_command(
        "restyle", *sources, "--prompts", videos / "prompts.txt", *PAINTED, "--ckpt", ckpt, "-o", tmp_path / "all"
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])["videos"]
    names = [
        f"{clip}-{prompt}.mp4" for clip in ("three", "others") for prompt in ("winter-scene", "an-oil-painting-night")
    ]
    assert [Path(facts["video"]).name for facts in made] == names
    assert [facts["settings"]["prompt"] for facts in made] == 2 * ["winter scene", "an oil painting, night"]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == sorted(names)
    assert len(loaded) == 1
    pictures = [read_video(facts["video"]).frames([0]).float() for facts in made]
    assert all((a - b).abs().mean() > 3 for i, a in enumerate(pictures) for b in pictures[:i])


@pytest.mark.usefixtures("small")
def test_a_video_that_cannot_be_made_costs_no_other(run_command, videos, ckpt, tmp_path, monkeypatch):
    from stablevideo.commands import restyles

    paint = restyles.restyled

    def held_back(video, *others):
        if video.path.name == "three.mp4":
            raise InputError("the safety checker held frame 1 back; change the prompt or the seed.")
        return paint(video, *others)

    monkeypatch.setattr(restyles, "restyled", held_back)
    sources = [videos / "three.mp4", videos / "others.mp4"]
    done = run_command("restyle", *sources, "--prompt", "night", *PAINTED, "--ckpt", ckpt, "-o", tmp_path)
    assert done.returncode == 2
    assert [Path(facts["video"]).name for facts in json.loads(done.stdout)["videos"]] == ["others-night.mp4"]
    assert "1 of 2 videos could not be made: three-night.mp4: the safety checker held frame 1 back" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["others-night.mp4"]


@pytest.mark.usefixtures("small")
def test_restyle_takes_colour_drift_out(run_command, videos, ckpt, tmp_path, monkeypatch):
    """Words that paint ever darker frames give even ones."""
    module = sys.modules["stablevideo.deflicker.restyle"]
    finished, count = module._finished, iter(range(100))
    monkeypatch.setattr(module, "_finished", lambda *given: finished(*given) * (1 - 0.1 * (next(count) % 5)))
    spans = []
    for name, flags in (("off", ["--steps", 1, "--no-deflicker"]), ("on", ["--color-correction"])):
        output = tmp_path / f"{name}.mp4"
        flags = ["--prompt", "night", *PAINTED, *flags]
        done = run_command("restyle", videos / "short.mp4", *flags, "--ckpt", ckpt, "-o", output)
        assert done.returncode == 0, done.stderr
        means = read_video(output).frames(range(5)).float().mean((1, 2, 3))
        spans.append(float(means.max() / means.min()))
    assert spans[0] > 1.5
    assert spans[1] < 1.15


DEFLICKER = {
    "a guide of another length": (["lit.mp4", "--guide", "short.mp4"], "the source has 5 frames and the video 9"),
    "a guide of another shape": (["lit.mp4", "--guide", "square.mp4"], "which does not fit a video of 96x64"),
    "a guide of another rate": (["lit.mp4", "--guide", "quick.mp4"], "24 frames a second and the video 12"),
    "one frame": (["one.mp4"], "one.mp4 has one frame; at least 2 are needed"),
    "a window too wide": (["lit.mp4", "--window", "9"], "wider than the clip, which has 9; give at most 8"),
    "a window that is none": (["lit.mp4", "--window", "some"], "window must be auto or a whole number"),
    "no video": (["no-video.mp4"], "is not a video that can be read"),
    "no such guide": (["lit.mp4", "--guide", "nowhere.mp4"], "there is no file"),
}


@pytest.mark.parametrize(("arguments", "said"), DEFLICKER.values(), ids=DEFLICKER.keys())
def test_deflicker_refuses_in_one_sentence(run_command, videos, tmp_path, arguments, said):
    refused(run_command("deflicker", *_placed(arguments, videos), "-o", tmp_path / "new" / "out.mp4"), said, tmp_path)


RESTYLE = {
    "no prompt": (["three.mp4"], "out.mp4", "write --prompt TEXT or --prompts FILE"),
    "both": (["three.mp4", "--prompt", "x", "--prompts", "prompts.txt"], "out", "write --prompt TEXT or"),
    "an empty prompt": (["three.mp4", "--prompt", "  "], "out.mp4", "the prompt is empty"),
    "a file of no prompts": (["three.mp4", "--prompts", "no-prompts.txt"], "out", "no-prompts.txt holds no prompt"),
    "no such file": (["three.mp4", "--prompts", "nowhere.txt"], "out", "there is no file"),
    "a later clip that is none": (["three.mp4", "no-video.mp4", "--prompt", "x"], "out", "no-video.mp4 is not a video"),
    "a file for many": (["three.mp4", "others.mp4", "--prompt", "x"], "out.mp4", "-o must name the folder"),
    "a folder for one": (["three.mp4", "--prompt", "x"], "out", "a video is written as .mp4"),
    "unknown model": (["three.mp4", "--prompt", "x", "--model", "magic"], "out.mp4", "no model 'magic'"),
    "unknown hint": (["three.mp4", "--prompt", "x", "--hints", "depth"], "out.mp4", "embedded follows canny"),
}


@pytest.mark.parametrize(("arguments", "output", "said"), RESTYLE.values(), ids=RESTYLE.keys())
def test_restyle_refuses_in_one_sentence_before_it_paints(
    run_command, videos, ckpt, tmp_path, monkeypatch, arguments, output, said
):
    monkeypatch.setattr("stablevideo.commands.restyles.restyled", lambda *_: 1 / 0)
    given = [*_placed(arguments, videos), *([] if "--model" in arguments else ["--model", "embedded"])]
    refused(run_command("restyle", *given, "--ckpt", ckpt, "-o", tmp_path / "new" / output), said, tmp_path)


def _placed(arguments, folder):
    return [folder / word if word.endswith((".mp4", ".txt")) else word for word in arguments]


def refused(done, said, folder):
    """One sentence on standard error, exit code 2, and nothing left behind."""
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not list(folder.iterdir())


def test_no_two_videos_get_one_name():
    long = "the same words that go on and on until nobody reads them"
    clips = [Path("a/clip.mp4"), Path("b/clip.mov"), Path("Clip.mp4")]
    names = list(file_names(clips, [f"{long} any more", f"{long} at all", "猫", "!"]))
    assert len({name.lower() for name in names}) == 12
    assert names[:4] == [
        "clip-the-same-words-that-go-on-and-on-until.mp4",
        "clip-the-same-words-that-go-on-and-on-until-2.mp4",
        "clip-猫.mp4",
        "clip.mp4",
    ]
