"""The embedded model, judged by what its words do on the sample clip and on shapes it was not trained on."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stablevideo import ForegroundOptions, edit_foreground
from stablevideo.diffusion.hints import Hint, canny
from training.embedded import evaluate
from training.embedded.captions import KINDS, known_words, sample_caption, tokenize, unknown_tokens
from training.embedded.data import make_sample
from training.embedded.looks import COLOURS, MATERIALS, SCENES, STYLES, apply_looks
from training.embedded.model import LATENT_CHANNELS, build_vae, embedding
from training.embedded.scenes import Source, make_source

FOLDER = Path(__file__).parent.parent / "ckpt" / "embedded"


@pytest.fixture(scope="module")
def cutout():
    """A shaded ball with a band on black, unlike any training painter's shape: [3, 192, 192], and its mask."""
    y, x = np.mgrid[-1:1:192j, -1:1:192j].astype(np.float32)
    radius = np.hypot(x, y * 1.2)
    mask = (radius < 0.75).astype(np.float32)
    grey = np.clip(0.75 - 0.5 * (x + y) - 0.3 * radius, 0.1, 1) * np.where(np.abs(y) < 0.12, 0.45, 1)
    return torch.from_numpy(grey * mask).expand(3, -1, -1), mask


@pytest.fixture(scope="module")
def paint(editor, cutout):
    """Paints the cut-out with words, [H, W, 3] in [0, 1]; in half of the usual steps, which the words outlive."""
    hint = Hint("canny", canny(100, 200)(cutout[0], (192, 192)))

    def paint(prompt, seed=1, **changes):
        options = ForegroundOptions(**{**editor.spec.defaults, "steps": 8, **changes})
        return editor.paint(prompt, hint, options, torch.Generator().manual_seed(seed)).permute(1, 2, 0).numpy()

    return paint


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


def test_colour_words_move_the_hue(paint, cutout):
    errors = {}
    for colour in ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"):
        hue = evaluate.median_hue(paint(f"a {colour} ball"), cutout[1])
        errors[colour] = evaluate.hue_distance(hue, evaluate.target_hue(colour))
    assert sum(error <= 25 for error in errors.values()) >= 7, errors


def test_lightness_words_move_the_lightness(paint, cutout):
    black, grey, white = (
        evaluate.lab_statistics(paint(f"a {word} ball"), cutout[1]) for word in ("black", "grey", "white")
    )
    assert black.lightness + 15 < grey.lightness < white.lightness - 15
    assert max(black.chroma, grey.chroma, white.chroma) < 16


def test_words_may_stand_anywhere_and_strange_ones_do_no_harm(paint, cutout):
    for prompt in ("ball, blue", "a photo of a kwyjibo in blue, zorgblat", "blue"):
        hue = evaluate.median_hue(paint(prompt), cutout[1])
        assert evaluate.hue_distance(hue, evaluate.target_hue("blue")) <= 30, (prompt, hue)


def test_seed_and_words_decide(paint):
    first, again = (paint("a red ball", steps=4) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.abs(first - paint("a blue ball", steps=4)).mean() > 0.02
    assert np.abs(first - paint("a red ball", seed=2, steps=4)).mean() > 1e-3


def test_guidance_strengthens_the_words(paint, cutout):
    chroma = [evaluate.lab_statistics(paint("a green ball", guidance=g), cutout[1]).chroma for g in (1.0, 3.0, 9.0)]
    assert chroma[0] < chroma[1] < chroma[2], chroma


def test_a_negative_word_is_avoided(paint, cutout):
    """Asked for nothing in particular, but not red: less red than when red is what is wanted least."""
    away, towards = (
        evaluate.lab_statistics(paint("a ball", negative_prompt=word), cutout[1]).a for word in ("red", "green")
    )
    assert away < towards - 10, (away, towards)


def test_structure_follows_the_hint(paint, cutout):
    wanted = evaluate.edges(cutout[0].permute(1, 2, 0).numpy())
    unrelated = np.roll(wanted, (48, 60), (0, 1))
    painted = [evaluate.edges(paint(f"a {colour} ball")) for colour in ("red", "yellow", "white")]
    own, other = (np.mean([evaluate.edge_f1(lines, truth) for lines in painted]) for truth in (wanted, unrelated))
    assert own >= 0.5, own
    assert own >= 2 * other, (own, other)


@pytest.mark.slow
def test_colours_through_the_real_path(sample, editor):
    """Edited and rendered: the median hue of the car, and not a pixel of the background."""
    frame = 24
    alpha = sample.alpha([frame])[0, 0]
    before = next(sample.render(frames=[frame]))[0]
    options = ForegroundOptions(**{**editor.spec.defaults, "seed": 1, "steps": 8, "keyframes": str(frame)})
    for colour in ("orange", "purple"):
        edit = edit_foreground(sample, f"a picture of a {colour} suv", editor, options)
        after = next(sample.render(foreground=edit.atlas, frames=[frame]))[0]
        hue = evaluate.median_hue(after.permute(1, 2, 0).numpy(), (alpha > 0.9).numpy())
        assert evaluate.hue_distance(hue, evaluate.target_hue(colour)) <= 30, (colour, hue)
        assert (after - before)[:, alpha == 0].abs().max() <= 1 / 255


def test_known_words_are_tokens_and_strange_words_mean_nothing(editor):
    tokenizer, encoder = editor.pipeline.tokenizer, editor.pipeline.text_encoder
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


def test_every_phrase_is_known(editor):
    tokenizer = editor.pipeline.tokenizer
    unknown = set(unknown_tokens(tokenizer))
    for table in KINDS.values():
        for phrases in table.values():
            for phrase in phrases:
                ids = tokenize(tokenizer, [phrase])[0]
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


def test_encoder_is_an_exact_cosine_transform():
    vae = build_vae()
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        latents = vae.encode(picture * 2 - 1).latents[0].numpy()
    assert latents.shape == (LATENT_CHANNELS, 8, 8)
    light = picture[0].permute(1, 2, 0).numpy() @ np.float32([0.299, 0.587, 0.114])
    blocks = light.reshape(8, 4, 8, 4).transpose(0, 2, 1, 3)
    exact = np.array([[cv2.dct(block) for block in row] for row in blocks])
    assert np.allclose(latents[0], (exact[..., 0, 0] / 4 - 0.5) * 4, atol=1e-4)
    for channel, (rows, columns) in {1: (0, 1), 2: (1, 0), 3: (1, 1), 4: (0, 2), 5: (2, 0)}.items():
        ratio = latents[channel] / exact[..., rows, columns]
        assert np.allclose(ratio, ratio[0, 0], rtol=0.02), channel


def test_decoder_brings_a_picture_back_with_its_edges(editor, sample):
    picture = sample.source([24])[:, :, :208, :384]
    vae = editor.pipeline.vae
    with torch.inference_mode():
        back = ((vae.decode(vae.encode(picture * 2 - 1).latents).sample + 1) / 2).clamp(0, 1)
    assert -10 * (back - picture).square().mean().log10() > 27
    lines = [evaluate.edges(p[0].permute(1, 2, 0).numpy()) for p in (back, picture)]
    assert evaluate.edge_f1(*lines) > 0.8
