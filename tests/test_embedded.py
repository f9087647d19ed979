import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stablevideo.diffusion.embedded import evaluate
from stablevideo.diffusion.embedded.captions import (
    KINDS,
    known_words,
    sample_caption,
    tokenize,
    unknown_tokens,
)
from stablevideo.diffusion.embedded.data import make_sample
from stablevideo.diffusion.embedded.looks import COLOURS, MATERIALS, SCENES, STYLES, apply_looks
from stablevideo.diffusion.embedded.model import build_vae, embedding
from stablevideo.diffusion.embedded.scenes import Source, make_source

FOLDER = Path(__file__).parent.parent / "ckpt" / "embedded"


@pytest.fixture(scope="module")
def pipeline():
    return evaluate.load_pipeline(FOLDER)


@pytest.fixture(scope="module")
def cutout():
    """A shaded ball with a band on black, unlike any training painter's shape."""
    y, x = np.mgrid[-1:1:192j, -1:1:192j].astype(np.float32)
    radius = np.hypot(x, y * 1.2)
    mask = (radius < 0.75).astype(np.float32)
    grey = np.clip(0.75 - 0.5 * (x + y) - 0.3 * radius, 0.1, 1) * np.where(np.abs(y) < 0.12, 0.45, 1)
    return np.repeat((grey * mask)[..., None], 3, -1).astype(np.float32), mask


def test_each_component_loads_strictly():
    from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    for kind, name in (
        (UNet2DConditionModel, "unet"),
        (ControlNetModel, "controlnet"),
        (AutoencoderTiny, "vae"),
    ):
        _, report = kind.from_pretrained(FOLDER / name, output_loading_info=True)
        assert not report["missing_keys"], name
        assert not report["unexpected_keys"], name
    _, report = CLIPTextModel.from_pretrained(FOLDER / "text_encoder", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert CLIPTokenizer.from_pretrained(FOLDER / "tokenizer").model_max_length == 77
    assert DDIMScheduler.from_pretrained(FOLDER / "scheduler").config.prediction_type == "v_prediction"


def test_folder_is_small_and_described():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 48 * 2**20
    card = json.loads((FOLDER / "model.json").read_text())
    assert set(card["vocabulary"]) == {"colours", "materials", "scenes", "styles"}
    assert (FOLDER / "README.md").exists()


@pytest.mark.parametrize("colour", ["red", "yellow", "green", "blue"])
def test_colour_word_moves_the_hue(pipeline, cutout, colour):
    picture, mask = cutout
    output = evaluate.generate(pipeline, f"a {colour} ball", picture, seed=3)
    found = evaluate.median_hue(output, mask)
    assert evaluate.hue_distance(found, evaluate.target_hue(colour)) <= 35, found


def test_seed_and_words_decide(pipeline, cutout):
    picture, _ = cutout
    first, again = (evaluate.generate(pipeline, "a red ball", picture, seed=1, steps=4) for _ in range(2))
    other_words = evaluate.generate(pipeline, "a blue ball", picture, seed=1, steps=4)
    other_seed = evaluate.generate(pipeline, "a red ball", picture, seed=2, steps=4)
    assert np.array_equal(first, again)
    assert np.abs(first - other_words).mean() > 0.02
    assert np.abs(first - other_seed).mean() > 1e-4


def test_known_words_are_tokens_and_strange_words_mean_nothing(pipeline):
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    unknown = set(unknown_tokens(tokenizer))
    for word in known_words():
        ids = tokenizer(word).input_ids
        assert len(ids) == 3, word
        assert ids[1] not in unknown, word
    for word in ("zorgblat", "kwyjibo", "covered", "juice", "train", "Größe", "雪"):
        assert set(tokenizer(word).input_ids[1:-1]) <= unknown, word
    plain = [i for i in tokenizer("a red bear").input_ids if i not in unknown]
    strange = [i for i in tokenizer("kwyjibo a RED zorgblat, bear").input_ids if i not in unknown]
    assert plain == strange
    table = embedding(encoder, "token")[sorted(unknown)]
    assert torch.equal(table, table[:1].expand_as(table))


def test_every_phrase_is_known(pipeline):
    unknown = set(unknown_tokens(pipeline.tokenizer))
    for table in KINDS.values():
        for phrases in table.values():
            for phrase in phrases:
                ids = tokenize(pipeline.tokenizer, [phrase])[0]
                assert any(int(i) not in unknown for i in ids[1 : len(phrase.split()) + 1]), phrase


@pytest.mark.parametrize("size", [64, 128])
def test_samples_come_from_their_seed(size):
    first, again, other = make_sample(11, size), make_sample(11, size), make_sample(12, size)
    assert first.caption == again.caption
    for name in ("source", "target", "hint"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.target, other.target)
    assert first.target.shape == (size, size, 3)
    assert 0 <= first.target.min() <= first.target.max() <= 1
    assert set(np.unique(first.hint)) <= {0, 255}


def test_looks_keep_black_outside_and_do_what_they_say():
    rng = np.random.default_rng(5)
    source = next(s for s in (make_source(rng, 64) for _ in range(99)) if s.kind == "object")
    for look in (*COLOURS, *MATERIALS, *SCENES, *STYLES):
        target = apply_looks(source, [look], np.random.default_rng(1))
        assert target[source.mask < 0.5].max() == 0, look
        assert np.abs(target - source.picture).mean() > 1e-3, look
    for colour in ("red", "green", "blue", "orange"):
        hue = evaluate.median_hue(apply_looks(source, [colour], rng), source.mask)
        assert evaluate.hue_distance(hue, evaluate.target_hue(colour)) < 12
    assert apply_looks(Source(source.picture, source.mask, "object"), [], rng) is not source.picture


def test_captions_name_their_looks():
    rng = np.random.default_rng(0)
    seen = set()
    for index in range(400):
        caption, looks = sample_caption(rng, ("object", "place")[index % 2])
        seen.update(looks)
        for look in looks:
            words = next(table[look] for table in KINDS.values() if look in table)
            assert any(word in caption for word in words), (caption, look)
    assert len(seen) > 30


def test_first_encoder_is_an_exact_cosine_transform():
    vae = build_vae()
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        latents = vae.encode(picture * 2 - 1).latents
    luma = cv2.cvtColor(picture[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    mean = luma.reshape(4, 8, 4, 8).mean((1, 3))
    assert np.abs(latents[0, 0].numpy() - (mean - 0.5) * 3.2).max() < 0.05
