"""What CLIP says of a video, with a small CLIP of random values in the real format; against plain double loops."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

from stablevideo import InputError, clip_measures, read_video
from stablevideo.clip_measures import load_clip_scorer
from stablevideo.video.pictures import write_picture
from tests.clips import smooth_picture
from tests.conftest import ROOT

FOLDER = "clip-vit-large-patch14"
COUNT = 7
PROMPT, OTHER = "a picture of a green car", "a winter scene"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A `ckpt/` with a CLIP that has a 40th of the real one's width."""
    ckpt = tmp_path_factory.mktemp("ckpt")
    tokenizer = CLIPTokenizer.from_pretrained(ROOT / "ckpt" / "embedded" / "tokenizer")
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    vision = tower | {"image_size": 32, "patch_size": 8}
    network = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    network.save_pretrained(ckpt / FOLDER)
    tokenizer.save_pretrained(ckpt / FOLDER)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(ckpt / FOLDER)
    return ckpt


@pytest.fixture(scope="module")
def scorer(weights):
    return load_clip_scorer(weights, "cpu")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("clip"), range(COUNT))


def clip(folder, seeds):
    for i, seed in enumerate(seeds):
        write_picture(folder / f"{i:03d}.png", smooth_picture((40, 64), seed))
    return read_video(folder)


@pytest.fixture(scope="module")
def plain(weights, video):
    """The same by transformers' own forward pass and one frame at a time: logits, embeddings, unprojected ones."""
    network = CLIPModel.from_pretrained(weights / FOLDER).eval()
    tokens = CLIPTokenizer.from_pretrained(weights / FOLDER)([PROMPT, OTHER], padding=True, return_tensors="pt")
    processor = CLIPImageProcessor.from_pretrained(weights / FOLDER)
    rows = []
    with torch.no_grad():
        for frame in video.frames(range(COUNT)):
            pixels = processor(images=frame, return_tensors="pt")["pixel_values"]
            seen = network(**tokens, pixel_values=pixels)
            cosines = seen.logits_per_image[0] / network.logit_scale.exp()
            pooled = network.vision_model(pixel_values=pixels).pooler_output[0]
            rows.append([part.double().numpy() for part in (cosines, seen.image_embeds[0], pooled)])
    return rows


def cosine(first, second):
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_figures_are_those_of_the_slow_double_loops(scorer, video, plain):
    found = scorer.scores(video, PROMPT, OTHER)
    assert found.clip_t == pytest.approx(100 * np.mean([cosines[0] for cosines, _, _ in plain]), abs=1e-3)
    pairs = [cosine(a[1], b[1]) for i, a in enumerate(plain) for j, b in enumerate(plain) if i != j]
    assert found.clip_f == pytest.approx(np.mean(pairs), abs=1e-5)
    steps = [max(0, cosine(a[2], b[2])) for a, b in itertools.pairwise(plain)]
    assert found.clip_f_consecutive == pytest.approx(np.mean(steps), abs=1e-5)
    assert found.frame_accuracy == np.mean([cosines[0] > cosines[1] for cosines, _, _ in plain])
    turned = scorer.scores(video, OTHER, PROMPT)
    assert found.frame_accuracy + turned.frame_accuracy == 1
    assert scorer.scores(video, PROMPT).frame_accuracy is None


def test_batches_leave_no_trace(scorer, video, monkeypatch):
    whole = scorer.scores(video, PROMPT, OTHER)
    monkeypatch.setattr(clip_measures, "BATCH", 2)
    parts = scorer.scores(video, PROMPT, OTHER)
    for name in ("clip_t", "clip_f", "clip_f_consecutive", "frame_accuracy"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-5)


def test_frames_that_are_all_the_same_are_alike_and_opposites_count_as_nothing(scorer, tmp_path, monkeypatch):
    found = scorer.scores(clip(tmp_path, [3] * 5), PROMPT)
    assert found.clip_f == pytest.approx(1, abs=1e-6)
    assert found.clip_f_consecutive == pytest.approx(1, abs=1e-6)
    vectors = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]).double()
    record = clip_measures._Record()
    record.add(vectors, vectors, torch.zeros(3, 1).double())
    assert record.scores().clip_f == pytest.approx(-1 / 3)
    assert record.scores().clip_f_consecutive == pytest.approx(1 / 2)


def test_long_words_are_cut_and_none_are_refused(scorer, video):
    assert scorer.text("a car " * 100).norm().item() == pytest.approx(1)
    with pytest.raises(InputError, match="prompt is empty"):
        scorer.scores(video, " ")


def test_the_command_puts_the_source_beside(run_command, weights, video, tmp_path):
    (tmp_path / "other").mkdir()
    source = clip(tmp_path / "other", range(20, 20 + COUNT))
    asked = ["measure", video.path, "--source", source.path, "--ckpt", weights, "--device", "cpu"]
    told = json.loads(run_command(*asked, "--prompt", PROMPT, "--source-prompt", OTHER, "--json").stdout)
    own, theirs = told["clip_scores"], told["source_clip_scores"]
    assert own["clip_t"] != theirs["clip_t"]
    assert None not in (*own.values(), *theirs.values())
    lines = run_command(*asked, "--prompt", PROMPT).stdout.splitlines()
    shown = next(line for line in lines if line.startswith("CLIP-T")).split()
    assert shown[-2:] == [f"{own['clip_t']:.2f}", f"{theirs['clip_t']:.2f}"]
    without = run_command(*asked, "--json").stdout
    assert json.loads(without)["clip_scores"] is None
    assert "CLIP" not in run_command(*asked).stdout
    done = run_command(*asked, "--source-prompt", OTHER)
    assert (done.returncode, "write --prompt TEXT too" in done.stderr) == (2, True)


def test_without_weights_and_network_it_is_a_sentence(run_command, video, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = run_command("measure", video.path, "--prompt", PROMPT, "--ckpt", tmp_path)
    assert done.returncode == 2
    assert "openai/clip-vit-large-patch14 are not all in" in done.stderr
    assert "or measure without a prompt." in done.stderr
    assert done.stderr.count("stablevideo:") == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("cut off", r"model\.safetensors holds no usable CLIPModel"),
        ("a weight too few", "does not fit CLIPModel: missing .*visual_projection"),
        ("a weight too many", "unknown .*surplus"),
        ("no json", "holds no usable CLIPImageProcessor"),
    ],
)
def test_damaged_files_are_named(weights, tmp_path, damage, said):
    folder = tmp_path / FOLDER
    shutil.copytree(weights / FOLDER, folder)
    path = folder / "model.safetensors"
    state = load_file(path)
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "a weight too few":
        save_file({k: v for k, v in state.items() if k != "visual_projection.weight"}, path, {"format": "pt"})
    elif damage == "a weight too many":
        save_file(state | {"surplus": torch.zeros(1)}, path, {"format": "pt"})
    else:
        (folder / "preprocessor_config.json").write_text("<html>")
    with pytest.raises(InputError, match=said):
        load_clip_scorer(tmp_path, "cpu")
