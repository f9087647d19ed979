"""Attention across frames, biased by chroma: against a slow formula, diffusers' own, and what it must not see."""

import math

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from stablevideo.diffusion.colour_attention import ColourAttention, colour_attention, size_of
from stablevideo.errors import InputError
from tests.test_tree import FILES, reached

SIZES = [(4, 4), (6, 3), (3, 5)]  # square, portrait, and sides that are odd


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chroma_of(frames, height, width, seed=9):
    return 0.5 * random(frames, 2, height, width, seed=seed)


@pytest.fixture(scope="module")
def layer():
    """One layer of self-attention: 8 channels, 2 heads."""
    torch.manual_seed(0)
    return Attention(query_dim=8, heads=2, dim_head=4).requires_grad_(False)


@pytest.fixture(scope="module")
def unet():
    """Random, with self-attention at three resolutions and cross-attention beside it."""
    torch.manual_seed(0)
    return (
        UNet2DConditionModel(
            in_channels=4,
            out_channels=4,
            block_out_channels=(16, 32, 32),
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=12,
            attention_head_dim=2,
            norm_num_groups=8,
        )
        .eval()
        .requires_grad_(False)
    )


def paint(unet, latents, words=None):
    words = random(1, 5, 12, seed=7).expand(len(latents), -1, -1) if words is None else words
    return unet(latents, torch.tensor(500), words).sample


def slow(layer, tokens, chroma, radius, strength):
    """One query after the other; tokens [halves, F, n, c], chroma [F, n, 2]."""
    halves, frames, count, _ = tokens.shape
    result = torch.zeros_like(tokens)
    for half in range(halves):
        query, key, value = (part(tokens[half]) for part in (layer.to_q, layer.to_k, layer.to_v))
        for frame in range(frames):
            seen = [other for other in range(frames) if abs(other - frame) <= radius]
            for pixel in range(count):
                heads = []
                for head in range(2):
                    channels = slice(4 * head, 4 * head + 4)
                    logits = torch.stack(
                        [
                            (query[frame, pixel, channels] * key[other, place, channels]).sum() / math.sqrt(4)
                            - strength * ((chroma[frame, pixel] - chroma[other, place]) ** 2).sum()
                            for other in seen
                            for place in range(count)
                        ]
                    )
                    values = torch.cat([value[other, :, channels] for other in seen])
                    heads.append((logits.softmax(0)[:, None] * values).sum(0))
                result[half, frame, pixel] = layer.to_out[0](torch.cat(heads))
    return result


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("radius", "strength"), [(0, 0), (1, 0), (1, 3), (5, 1)])
@pytest.mark.parametrize("halves", [1, 2])
def test_as_a_slow_formula_has_it(layer, size, radius, strength, halves):
    count, tokens, chroma = size[0] * size[1], random(halves, 3, size[0] * size[1], 8), chroma_of(3, *size)
    given = tokens.flatten(0, 1)
    expected = slow(layer, tokens, chroma.flatten(2).transpose(1, 2), radius, strength)
    result = ColourAttention(chroma, radius, strength)(layer, given)
    assert result.shape == (halves * 3, count, 8)
    assert torch.allclose(result.view_as(expected), expected, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_without_window_and_bias_it_is_diffusers_own(layer, unet, size):
    tokens, latents, chroma = random(4, size[0] * size[1], 8), random(4, 4, *size), chroma_of(4, *size)
    assert torch.allclose(ColourAttention(chroma, 0, 0)(layer, tokens), layer(tokens), atol=1e-6)
    expected = paint(unet, latents)
    with colour_attention(unet, chroma, radius=0, strength=0):
        assert not any(isinstance(processor, ColourAttention) for processor in unet.attn_processors.values())
        assert torch.equal(paint(unet, latents), expected)
    for radius, strength in ((1, 0), (0, 5)):
        with colour_attention(unet, chroma, radius, strength):
            assert not torch.allclose(paint(unet, latents), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (24, 8), (10, 14)])
def test_a_whole_unet_paints_frames_of_any_shape(unet, size):
    """From chroma of the picture, eight pixels a latent; frames that are alike in all come out as one alone does."""
    latents, words = random(1, 4, *size).expand(3, -1, -1, -1), random(3, 5, 12, seed=1)[:1].expand(3, -1, -1)
    alone = paint(unet, latents[:1], words[:1])
    with colour_attention(unet, torch.zeros(3, 2, 8 * size[0], 8 * size[1]), radius=1, strength=50):
        assert torch.allclose(paint(unet, latents, words), alone.expand(3, -1, -1, -1), atol=1e-4)


def test_the_halves_of_guidance_do_not_mix(unet):
    latents, other, chroma = random(3, 4, 8, 12), random(3, 4, 8, 12, seed=1), chroma_of(3, 64, 96)
    with colour_attention(unet, chroma, radius=1, strength=5):
        both = paint(unet, torch.cat([latents, other]))
        for half, alone in zip(both.chunk(2), (latents, other), strict=True):
            assert torch.allclose(half, paint(unet, alone), atol=1e-4)


def test_a_frame_outside_of_the_window_is_not_seen(layer):
    tokens, attention = random(5, 12, 8), ColourAttention(chroma_of(5, 4, 3), radius=1, strength=2)
    changed = tokens.clone()
    changed[3] += 1
    moved = (attention(layer, changed) - attention(layer, tokens)).abs().amax((1, 2))
    assert moved[:2].max() == 0
    assert moved[2:].min() > 1e-3


def test_a_key_of_like_chroma_gets_more_weight():
    """Queries and keys all 0, values the tokens: what comes out is the share of each place."""
    layer = Attention(query_dim=4, heads=1, dim_head=4).requires_grad_(False)
    for part in (layer.to_q, layer.to_k, layer.to_out[0]):
        part.weight.zero_()
    layer.to_v.weight.copy_(torch.eye(4))
    layer.to_out[0].weight.copy_(torch.eye(4))
    layer.to_out[0].bias.zero_()
    tokens = torch.eye(4).view(2, 2, 4)  # two frames of two pixels, each marked by its own channel
    chroma = torch.tensor([[[0.0, 0.3]], [[0.1, -0.4]]]).unsqueeze(1).expand(2, 2, 1, 2)
    shares = ColourAttention(chroma, radius=1, strength=10)(layer, tokens)[0, 0]
    squared = 2 * (torch.tensor([0.0, 0.3, 0.1, -0.4]) ** 2)  # in a and in b
    assert torch.allclose(shares, (-10 * squared).softmax(0), atol=1e-6)
    assert shares[0] > shares[2] > shares[1] > shares[3]
    assert torch.allclose(ColourAttention(chroma, radius=1, strength=0)(layer, tokens)[0, 0], torch.full((4,), 0.25))


def test_one_frame_s_logits_at_a_time(layer, monkeypatch):
    seen, real = [], F.scaled_dot_product_attention

    def spy(query, key, value, attn_mask=None):
        seen.append((query.shape, key.shape, attn_mask.shape))
        return real(query, key, value, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    ColourAttention(chroma_of(4, 3, 2), radius=1, strength=1)(layer, random(8, 6, 8))
    assert [key[2] for _, key, _ in seen] == [12, 18, 18, 12]
    assert all(query == (2, 2, 6, 4) for query, _, _ in seen)
    assert all(mask == (6, key[2]) for _, key, mask in seen)


def test_chroma_is_pooled_once_for_each_resolution(unet, monkeypatch):
    sizes, real = [], F.adaptive_avg_pool2d
    monkeypatch.setattr(F, "adaptive_avg_pool2d", lambda x, size: sizes.append(size) or real(x, size))
    with colour_attention(unet, chroma_of(2, 80, 112), radius=1, strength=1):
        for _ in range(2):
            paint(unet, random(2, 4, 10, 14))
    assert sorted(sizes, reverse=True) == [(10, 14), (5, 7), (3, 4)]


def test_sizes_on_the_way_down():
    assert size_of(64 * 96, (512, 768)) == (64, 96)
    assert size_of(5 * 7, (80, 112)) == (5, 7)
    assert size_of(3 * 4, (80, 112)) == (3, 4)
    assert size_of(1, (80, 112)) == (1, 1)
    with pytest.raises(InputError, match="41 tokens are no halving of 112x80"):
        size_of(41, (80, 112))


def test_only_self_attention_is_replaced_and_all_comes_back(unet):
    former = unet.attn_processors
    chroma = chroma_of(2, 64, 64)
    with colour_attention(unet, chroma, radius=1, strength=1):
        within = unet.attn_processors
    for name, processor in within.items():
        assert isinstance(processor, ColourAttention) == name.endswith("attn1.processor"), name
        assert "attn1" in name or processor is former[name], name
    assert any("attn1" in name for name in within)
    with pytest.raises(ZeroDivisionError), colour_attention(unet, chroma, radius=1, strength=1):
        raise ZeroDivisionError
    after = unet.attn_processors
    assert after.keys() == former.keys()
    assert all(after[name] is former[name] for name in former)


def test_the_embedded_model_takes_it(editor, loud_attention):
    """Only its middle block attends, and to 1/32 of the picture's sides."""
    unet = editor.pipeline.unet
    latents, chroma = random(2, 14, 16, 24), chroma_of(2, 64, 96)
    words = {"encoder_hidden_states": random(2, 77, 128)}
    with torch.inference_mode():
        alone = unet(latents, 500, **words).sample
        with colour_attention(unet, chroma, radius=1, strength=5):
            together = unet(latents, 500, **words).sample
        assert not torch.allclose(together, alone, atol=1e-4)
        assert torch.equal(unet(latents, 500, **words).sample, alone)


@pytest.mark.parametrize(
    ("shape", "radius", "strength", "said"),
    [
        ((2, 3, 4, 4), 1, 1, r"\[2, 3, 4, 4\]"),
        ((2, 4, 4), 1, 1, r"\[2, 4, 4\]"),
        ((0, 2, 4, 4), 1, 1, r"\[0, 2, 4, 4\]"),
        ((2, 2, 4, 4), -1, 1, "got -1"),
        ((2, 2, 4, 4), 1, -0.5, "got -0.5"),
        ((2, 2, 4, 4), 1, math.nan, "got nan"),
    ],
)
def test_what_makes_no_sense_is_refused(shape, radius, strength, said):
    with pytest.raises(InputError, match=said):
        ColourAttention(torch.zeros(shape), radius, strength)


def test_a_batch_that_is_not_these_frames_is_refused(layer, unet):
    attention = ColourAttention(chroma_of(2, 4, 4), 1, 1)
    for batch in (1, 3, 6):
        with pytest.raises(InputError, match=f"2 frames.*got {batch}"):
            attention(layer, random(batch, 16, 8))
    with pytest.raises(InputError, match="self-attention"):
        attention(layer, random(2, 16, 8), encoder_hidden_states=random(2, 5, 8))
    with pytest.raises(InputError, match="self-attention"):
        attention(layer, random(2, 16, 8), attention_mask=torch.zeros(2, 16))
    with pytest.raises(InputError, match="15 tokens"):
        attention(layer, random(2, 15, 8))


def test_a_unet_without_self_attention_is_refused():
    plain = UNet2DConditionModel(
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type="UNetMidBlock2D",
        norm_num_groups=4,
    )
    with pytest.raises(InputError, match="no self-attention"), colour_attention(plain, chroma_of(2, 8, 8), 1, 1):
        pass


def test_diffusion_knows_nothing_of_layers():
    for name in FILES:
        if name.startswith("stablevideo.diffusion"):
            assert not {other for other in reached(name) if other.startswith("stablevideo.layers")}, name
