"""The embedded model, judged by what its words do on the sample clip and on shapes it was not trained on."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablevideo import ForegroundOptions, edit_foreground
from stablevideo.diffusion.grain import BRICK_PX, grain
from stablevideo.diffusion.hints import Hint, canny
from training.embedded import evaluate
from training.embedded.captions import sample_caption
from training.embedded.colours import HELD_OUT, NAMED, PLAIN
from training.embedded.cosine import LATENT_CHANNELS, LATENT_TERMS, build_vae, to_latents
from training.embedded.data import make_sample
from training.embedded.library import Library
from training.embedded.looks import apply_looks
from training.embedded.materials import MATERIALS, PATTERNS, grains_for
from training.embedded.model import build_controlnet, build_unet, embedding
from training.embedded.scenes import make_source
from training.embedded.sources import Source
from training.embedded.styles import STYLES
from training.embedded.tokens import known_words, tokenize, unknown_tokens
from training.embedded.vocabulary import HELD_OUT_SENTENCES, KINDS
from training.embedded.weather import SCENES
from training.embedded.wishes import Wish

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
    hint = Hint("picture", cutout[0])

    def paint(prompt, seed=1, **changes):
        options = ForegroundOptions(**{**editor.spec.defaults, "steps": 8, "seed": seed, **changes})
        return editor.paint(prompt, hint, options, torch.Generator().manual_seed(seed)).permute(1, 2, 0).numpy()

    return paint


def test_each_component_loads_strictly():
    from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    for kind, name in (
        (UNet2DConditionModel, "unet"),
        (ControlNetModel, "controlnet"),
        (ControlNetModel, "controlnet_picture"),
        (AutoencoderTiny, "vae"),
    ):
        _, report = kind.from_pretrained(FOLDER / name, output_loading_info=True)
        assert not report["missing_keys"], name
        assert not report["unexpected_keys"], name
    _, report = CLIPTextModel.from_pretrained(FOLDER / "text_encoder", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert CLIPTokenizer.from_pretrained(FOLDER / "tokenizer").model_max_length == 77
    assert DDIMScheduler.from_pretrained(FOLDER / "scheduler").config.prediction_type == "sample"


def test_diffusers_own_loading_finds_all_parts():
    from diffusers import StableDiffusionControlNetPipeline

    from stablevideo.diffusion.schedule import WienerDDIM

    scheduler = WienerDDIM.from_pretrained(FOLDER / "scheduler")
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(FOLDER, scheduler=scheduler, local_files_only=True)
    assert pipeline.unet.config.in_channels == LATENT_CHANNELS


def test_folder_is_small_and_described():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 48 * 2**20
    card = json.loads((FOLDER / "model.json").read_text())
    assert set(card["vocabulary"]) == {"colours", "named colours", "materials", "patterns", "scenes", "styles"}
    assert card["options"]["hints"] == "picture"
    assert (FOLDER / "README.md").exists()


def test_colour_words_move_the_hue(paint, cutout):
    errors = {}
    for colour in ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"):
        hue = evaluate.median_hue(paint(f"a {colour} ball"), cutout[1])
        errors[colour] = evaluate.hue_distance(hue, evaluate.target_hue(PLAIN[colour]))
    assert sum(error <= 25 for error in errors.values()) >= 7, errors


@pytest.mark.slow
def test_lightness_words_move_the_lightness(paint, cutout):
    black, grey, white = (
        evaluate.lab_statistics(paint(f"a {word} ball"), cutout[1]) for word in ("black", "grey", "white")
    )
    assert black.lightness + 15 < grey.lightness < white.lightness - 15
    assert max(black.chroma, grey.chroma, white.chroma) < 16


@pytest.mark.slow
def test_words_may_stand_anywhere_and_strange_ones_do_no_harm(paint, cutout):
    for prompt in ("ball, blue", "a photo of a kwyjibo in blue, zorgblat", "blue"):
        hue = evaluate.median_hue(paint(prompt), cutout[1])
        assert evaluate.hue_distance(hue, evaluate.target_hue(PLAIN["blue"])) <= 30, (prompt, hue)


@pytest.mark.slow
def test_seed_and_words_decide(paint):
    first, again = (paint("a red ball", steps=4) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.abs(first - paint("a blue ball", steps=4)).mean() > 0.02
    wooden, other = (paint("a wooden ball", seed=seed, steps=4) for seed in (1, 2))
    assert np.abs(wooden - other).mean() > 3e-3


@pytest.mark.slow
def test_guidance_strengthens_the_words(paint, cutout):
    chroma = [evaluate.lab_statistics(paint("a green ball", guidance=g), cutout[1]).chroma for g in (1.0, 3.0, 9.0)]
    assert chroma[0] < chroma[1] < chroma[2], chroma
    assert chroma[0] + 8 < chroma[2], chroma


@pytest.mark.slow
def test_a_negative_word_is_avoided(paint, cutout):
    """Asked for nothing in particular, but not red: less red than when red is what is wanted least."""
    away, towards = (
        evaluate.lab_statistics(paint("a ball", negative_prompt=word, guidance=3.0), cutout[1]).a
        for word in ("red", "green")
    )
    assert away < towards - 10, (away, towards)


@pytest.mark.slow
def test_a_repainted_thing_keeps_its_drawing(paint, cutout):
    source = cutout[0].permute(1, 2, 0).numpy()
    for words, least in (("a red ball", 0.75), ("a dark green ball", 0.75), ("a white ball", 0.7)):
        assert evaluate.structure(paint(words), source, cutout[1]) >= least, words


def test_structure_is_of_the_drawing_and_not_of_its_brightness(cutout):
    source, mask = cutout[0].permute(1, 2, 0).numpy(), cutout[1]
    assert evaluate.structure(0.2 + 0.3 * source, source, mask) == pytest.approx(1, abs=1e-3)
    assert evaluate.structure(cv2.GaussianBlur(source, (0, 0), 6), source, mask) < 0.9
    noise = np.random.default_rng(0).random(source.shape, np.float32)
    assert evaluate.structure(noise, source, mask) < 0.2


def test_lines_alone_are_followed_too(editor, cutout):
    """The paper's path: nothing of the picture is seen but its canny lines."""
    options = ForegroundOptions(**{**editor.spec.defaults, "steps": 8})
    hint = Hint("canny", canny(100, 200)(cutout[0], (192, 192)))
    painted = editor.paint("a red ball", hint, options, torch.Generator().manual_seed(1)).permute(1, 2, 0).numpy()
    hue = evaluate.median_hue(painted, cutout[1])
    assert evaluate.hue_distance(hue, evaluate.target_hue(PLAIN["red"])) <= 25
    drawn, source = evaluate.edges(painted), evaluate.edges(cutout[0].permute(1, 2, 0).numpy())
    assert evaluate.edge_f1(drawn, source) >= 0.4


@pytest.mark.slow
def test_brick_has_joints_and_wood_has_none(paint, cutout):
    """Lightness along a column goes up and down once a course where there are bricks."""
    spectra = {}
    for word in ("brick", "wooden"):
        light = paint(f"a {word} ball")[48:144, 64:128].mean(-1)
        spectra[word] = np.abs(np.fft.rfft(light - light.mean(0), axis=0)).mean(1)
    course = 96 // BRICK_PX[0]
    for word, has_joints in (("brick", True), ("wooden", False)):
        around = np.delete(spectra[word][course - 3 : course + 4], 3).mean()
        assert (spectra[word][course] > 3 * around) == has_joints, word


@pytest.mark.slow
def test_colours_never_trained_on_are_put_together_from_their_words(paint, cutout):
    names = [name for name in HELD_OUT if evaluate.target_chroma(HELD_OUT[name]) > 25][:8]
    off = {
        name: evaluate.hue_distance(
            evaluate.median_hue(paint(f"a {name} ball"), cutout[1]), evaluate.target_hue(HELD_OUT[name])
        )
        for name in names
    }
    assert sum(error <= 25 for error in off.values()) >= 7, off


@pytest.mark.slow
def test_sentences_never_trained_on_are_understood(paint, cutout):
    for sentence in HELD_OUT_SENTENCES[:4]:
        hue = evaluate.median_hue(paint(sentence.format("green")), cutout[1])
        assert evaluate.hue_distance(hue, evaluate.target_hue(PLAIN["green"])) <= 25, sentence


@pytest.mark.slow
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
        assert evaluate.hue_distance(hue, evaluate.target_hue(PLAIN[colour])) <= 30, (colour, hue)
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
    library = Library(None)
    first, again, other = (make_sample(seed, size, library) for seed in (11, 11, 12))
    assert first.caption == again.caption
    for name in ("source", "target"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.target, other.target)
    assert first.target.shape == first.source.shape == (size, size, 3)
    assert first.target.dtype == np.uint8


def test_looks_keep_black_outside_and_do_what_they_say():
    rng, library = np.random.default_rng(5), Library(None)
    source = next(s for s in (make_source(rng, 64, library) for _ in range(99)) if s.kind == "object")
    grains = grains_for(64)
    wishes = [Wish(colour=colour) for colour in PLAIN.values()]
    wishes += [Wish(material=look) for look in (*MATERIALS, "lava")] + [Wish(pattern=look) for look in PATTERNS]
    wishes += [Wish(scene=look) for look in SCENES] + [Wish(style=look) for look in STYLES]
    for wish in wishes:
        target = apply_looks(source, wish, grains)
        assert target[source.mask < 0.5].max() == 0, wish
        assert np.abs(target - source.picture).mean() > 1e-3, wish
    for colour in ("red", "green", "blue", "orange"):
        painted = apply_looks(source, Wish(colour=PLAIN[colour]), grains)
        hue = evaluate.median_hue(painted, source.mask)
        assert evaluate.hue_distance(hue, evaluate.target_hue(PLAIN[colour])) < 12
        assert evaluate.structure(painted, source.picture, source.mask) > 0.9
    assert np.array_equal(apply_looks(source, Wish(), grains), source.picture)


def test_a_region_alone_is_repainted():
    picture = np.full((32, 32, 3), 0.5, np.float32)
    roof = np.zeros((32, 32), np.float32)
    roof[:12] = 1
    source = Source(picture, np.ones((32, 32), np.float32), "object", "house", {"roof": roof})
    painted = apply_looks(source, Wish(colour=PLAIN["red"], region="roof"), grains_for(32))
    assert np.array_equal(painted[13:], picture[13:])
    assert evaluate.hue_distance(evaluate.median_hue(painted[:11], roof[:11]), evaluate.target_hue(PLAIN["red"])) < 12


def test_a_repainted_car_keeps_its_windows_and_a_dark_thing_has_none():
    light, dark = (np.array([grey] * 3, np.float32) for grey in (0.75, 0.3))
    car = np.broadcast_to(light, (32, 32, 3)).copy()
    car[8:16, 8:24] = dark
    mask, red, grains = np.ones((32, 32), np.float32), Wish(colour=PLAIN["red"]), grains_for(32)
    painted = apply_looks(Source(car, mask, "object"), red, grains)
    body, window = painted[24, 16], painted[12, 16]
    assert body[0] - body[1] > 0.5
    assert window[0] - window[1] < 0.15
    bear = np.where(car == light, dark, light)  # mostly dark: then that is its own colour
    fur = apply_looks(Source(bear, mask, "object"), red, grains)[24, 16]
    assert fur[0] - fur[1] > 0.3


def test_weather_knows_sky_from_ground():
    """Blue above, green below: autumn leaves the sky blue, snow lies below, night keeps the drawing."""
    y = np.linspace(0, 1, 64, dtype=np.float32)[:, None].repeat(64, 1)
    picture = np.where((y < 0.4)[..., None], [0.45, 0.65, 0.95], [0.25, 0.5, 0.15]).astype(np.float32)
    picture[26:] *= 0.8 + 0.4 * np.random.default_rng(0).random((38, 64, 1), np.float32)
    source = Source(picture, np.ones((64, 64), np.float32), "place")

    def lab(scene, rows):
        painted = apply_looks(source, Wish(scene=scene), grains_for(64))[rows]
        return evaluate.lab_statistics(painted, np.ones(painted.shape[:2]))

    above, below = slice(2, 22), slice(30, 62)
    assert lab("autumn", above).b < -15
    assert lab("autumn", below).a > 15
    assert lab("snow", below).lightness > evaluate.lab_statistics(picture[below], np.ones((32, 64))).lightness + 20
    assert lab("night", below).lightness < 35
    assert lab("night", below).contrast > 4
    assert lab("sunset", above).a > 15


def test_captions_name_their_looks():
    rng = np.random.default_rng(0)
    seen = set()
    for index in range(600):
        caption, wish = sample_caption(rng, ("object", "place")[index % 2], None, ("roof", "sky"))
        for look in (wish.material, wish.pattern, wish.scene, wish.style):
            if look:
                seen.add(look)
                words = next(table[look] for table in KINDS.values() if look in table)
                assert any(word in caption for word in words), (caption, look)
        if wish.region:
            assert wish.region in ("roof", "sky")
            seen.add(wish.region)
    assert len(seen) >= 32
    assert not set(HELD_OUT) & (set(NAMED) | set(PLAIN))
    assert len(HELD_OUT) == 40


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
    for channel, (_, rows, columns, _) in list(enumerate(LATENT_TERMS))[1:8]:
        ratio = latents[channel] / exact[..., rows, columns]
        assert np.allclose(ratio, ratio[0, 0], rtol=0.02), channel


def test_a_new_model_gives_back_what_it_is_shown():
    """Training begins where nothing is changed: what it has to learn is what the words say."""
    torch.manual_seed(0)
    unet, controlnet, vae = build_unet(), build_controlnet(), build_vae()
    picture = F.interpolate(torch.rand(1, 3, 16, 16), 64, mode="bicubic").clamp(0, 1)
    with torch.inference_mode():
        latents, text = to_latents(vae, picture), torch.randn(1, 77, 128)
        hint = torch.cat([picture, grain((64, 64))[None]], 1)
        down, middle = controlnet(torch.randn_like(latents), torch.tensor(999), text, hint, return_dict=False)
        shown = unet(
            torch.randn_like(latents),
            torch.tensor(999),
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
    for channel in range(LATENT_CHANNELS):
        both = torch.stack([shown[0, channel].flatten(), latents[0, channel].flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.9, channel


def test_decoder_brings_a_picture_back_with_its_edges(editor, sample):
    picture = sample.source([24])[:, :, :208, :384]
    vae = editor.pipeline.vae
    with torch.inference_mode():
        back = ((vae.decode(vae.encode(picture * 2 - 1).latents).sample + 1) / 2).clamp(0, 1)
    assert -10 * (back - picture).square().mean().log10() > 27
    lines = [evaluate.edges(p[0].permute(1, 2, 0).numpy()) for p in (back, picture)]
    assert evaluate.edge_f1(*lines) > 0.8
