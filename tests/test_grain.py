"""The sheet of grain, and how ControlNets take in hints and grain."""

import pytest
import torch
from diffusers import ControlNetModel

from stablevideo.diffusion.embedding import embed_once, move_grain
from stablevideo.diffusion.grain import GRAINS, LATTICE_PX, SHEET_PX, grain, place_of, sheet

TINY = {
    "in_channels": 4,
    "block_out_channels": (8, 8),
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 8,
    "norm_num_groups": 2,
    "conditioning_embedding_out_channels": (8, 8, 8),
}


@pytest.fixture(params=[3, 3 + len(GRAINS)])
def controlnet(request):
    torch.manual_seed(0)
    made = ControlNetModel(conditioning_channels=request.param, **TINY)
    torch.nn.init.normal_(made.controlnet_cond_embedding.conv_out.weight)
    return embed_once(made)


class TestSheet:
    def test_it_goes_on_without_a_seam(self):
        whole = sheet()
        assert whole.shape == (len(GRAINS), SHEET_PX, SHEET_PX)
        for axis in (1, 2):
            steps = (whole.roll(-1, axis) - whole).abs().mean(3 - axis)
            assert (steps[:, -1] <= steps[:, :-1].max(1).values + 1e-6).all()

    def test_a_window_is_a_part_of_it(self):
        size, at = (40, 300), (250, 16)
        around = sheet().tile(1, 3, 3)
        assert torch.equal(grain(size, at), around[:, 250:290, 16:316])

    def test_lattices_have_their_period(self):
        for name in ("bricks", "stripes", "dots", "checks"):
            drawn = sheet()[GRAINS.index(name)]
            down = 2 * LATTICE_PX  # bricks of two tones and slanted stripes come back after two
            assert torch.allclose(drawn.roll(down, 0), drawn, atol=1e-4), name
            assert torch.allclose(drawn.roll(2 * LATTICE_PX, 1), drawn, atol=1e-4), name
            assert drawn.std() > 0.2, name

    def test_each_seed_has_its_place_in_whole_periods(self):
        places = {place_of(seed) for seed in range(-1, 300)}
        assert len(places) == (SHEET_PX // LATTICE_PX) ** 2
        assert all(0 <= at < SHEET_PX and at % LATTICE_PX == 0 for place in places for at in place)

    def test_no_grain_is_another(self):
        flat = sheet().flatten(1)
        assert (torch.corrcoef(flat).abs() - torch.eye(len(GRAINS))).max() < 0.8  # dots lie in squares of the checks


class TestTakingIn:
    def test_a_hint_is_looked_at_once(self, controlnet):
        hint, embedding = torch.rand(1, 3, 32, 48), controlnet.controlnet_cond_embedding
        calls = []
        embedding.conv_in.register_forward_hook(lambda *_: calls.append(1))
        with torch.inference_mode():
            first, again = embedding(hint), embedding(hint)
            other = embedding(hint.clone().mul_(0.5))
        assert len(calls) == 2
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_nothing_is_kept_while_it_learns(self, controlnet):
        hint, embedding = torch.rand(1, 3, 32, 48), controlnet.controlnet_cond_embedding
        before = embedding(hint)
        with torch.no_grad():
            embedding.conv_out.weight.mul_(2)
        assert not torch.equal(embedding(hint), before)

    def test_nothing_outlives_its_hint(self, controlnet):
        embedding = controlnet.controlnet_cond_embedding
        with torch.inference_mode():
            hint = torch.rand(1, 3, 32, 48)
            embedding(hint)
            assert len(embedding.forward.kept) == 1
            del hint
            assert len(embedding.forward.kept) == 0

    def test_grain_is_seen_where_it_is_asked_for_and_nowhere_else(self, controlnet):
        embedding, hint = controlnet.controlnet_cond_embedding, torch.full((2, 3, 64, 64), 0.5)
        with torch.inference_mode():
            spread = embedding(hint)[:, :, 4:-4, 4:-4].std((2, 3)).max()
        takes_grain = controlnet.config.conditioning_channels > 3
        assert (spread > 1e-3) == takes_grain

    def test_a_seed_moves_it(self, controlnet):
        embedding, hint = controlnet.controlnet_cond_embedding, torch.full((1, 3, 64, 64), 0.5)
        takes_grain = controlnet.config.conditioning_channels > 3
        with torch.inference_mode():
            shown = []
            for seed in (3, 40, 3):
                move_grain(controlnet, seed)
                shown.append(embedding(hint))
        assert torch.equal(shown[0], shown[2])
        assert torch.equal(shown[0], shown[1]) != takes_grain
