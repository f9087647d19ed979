import json
import math
import os
import pickle

import pytest
import torch

from stablevideo import load_clip
from stablevideo.errors import InputError
from stablevideo.nla.networks import CHECKPOINT_KEYS, MLP, NLAConfig, NLANetworks, load_networks, save_networks

SMALL = {
    "number_of_channels_mapping1": 8,
    "number_of_channels_mapping2": 8,
    "number_of_channels_atlas": 8,
    "number_of_channels_alpha": 8,
}


@pytest.fixture
def folder(tmp_path):
    """A clip folder with small random networks and no frames."""
    config = {"resx": 24, "resy": 40, "maximum_number_of_frames": 3, **SMALL}
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    save_networks(NLANetworks(NLAConfig.from_file(tmp_path / "config.json")), tmp_path / "checkpoint", 7)
    return tmp_path


def test_network_is_the_published_one():
    """Against the definition written out by hand: encoding, ReLU before each layer but the first, skip, tanh."""
    torch.manual_seed(0)
    network = MLP(2, 3, 16, 4, frequencies=2, skips=(2,))
    x = torch.rand(5, 2) * 2 - 1
    encoded = torch.cat([f(2.0**j * math.pi * x) for j in range(2) for f in (torch.sin, torch.cos)], 1)
    h = network.hidden[0](encoded)
    h = network.hidden[1](torch.relu(h))
    h = network.hidden[2](torch.cat([torch.relu(h), encoded], 1))
    h = network.hidden[3](torch.relu(h))
    assert torch.allclose(network(x), torch.tanh(h), atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(network(x), torch.tanh(h), atol=1e-6)


def test_default_sizes_are_the_published_ones():
    networks = NLANetworks(NLAConfig(resx=768, resy=432, maximum_number_of_frames=70))
    assert [len(networks.get_submodule(n).hidden) for n in CHECKPOINT_KEYS] == [6, 4, 8, 8]
    assert networks.atlas.hidden[4].weight.shape == (256, 256 + 40)
    assert networks.alpha.hidden[0].weight.shape == (256, 30)
    assert networks.foreground_mapping.hidden[0].weight.shape == (256, 3)


def test_round_trip(folder):
    networks = load_networks(folder)
    save_networks(networks, folder / "checkpoint", 8)
    again = load_networks(folder)
    assert all(torch.equal(a, b) for a, b in zip(networks.parameters(), again.parameters(), strict=True))


def test_frames_count_by_its_older_name(folder):
    (folder / "config.json").write_text(json.dumps({"resx": 24, "resy": 40, "number_of_frames": 3, **SMALL}))
    assert load_networks(folder).config.maximum_number_of_frames == 3


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resy": 40, "maximum_number_of_frames": 3}, "lacks 'resx'"),
        ({"resx": 24, "resy": 40}, "lacks 'maximum_number_of_frames'"),
        ({"resx": "24", "resy": 40, "maximum_number_of_frames": 3}, "'resx' must be int"),
        ({"resx": 24, "resy": 0, "maximum_number_of_frames": 3}, "'resy' must be int"),
        ([1, 2], "must hold a JSON object"),
    ],
)
def test_bad_config_is_named(folder, config, said):
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=said):
        load_networks(folder)


def test_missing_or_foreign_keys_are_named(folder):
    states = torch.load(folder / "checkpoint", weights_only=True)
    torch.save({k: v for k, v in states.items() if k != "F_atlas_state_dict"}, folder / "checkpoint")
    with pytest.raises(InputError, match="lacks F_atlas_state_dict"):
        load_networks(folder)
    del states["model_F_alpha_state_dict"]["hidden.7.bias"]
    torch.save(states, folder / "checkpoint")
    with pytest.raises(InputError, match=r"model_F_alpha_state_dict.*hidden\.7\.bias"):
        load_networks(folder)


def test_wrong_width_is_an_error(folder):
    config = json.loads((folder / "config.json").read_text()) | {"number_of_channels_atlas": 16}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="F_atlas_state_dict.*does not fit"):
        load_networks(folder)


def test_truncated_checkpoint(folder):
    whole = (folder / "checkpoint").read_bytes()
    for length in (0, 10, len(whole) // 2):
        (folder / "checkpoint").write_bytes(whole[:length])
        with pytest.raises(InputError, match="truncated|refused"):
            load_networks(folder)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", ["zip", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_not_run(folder, tmp_path, form):
    proof = tmp_path / "it ran"
    if form == "zip":
        torch.save({"F_atlas_state_dict": Touch(proof)}, folder / "checkpoint")
    else:
        (folder / "checkpoint").write_bytes(pickle.dumps(Touch(proof)))
    with pytest.raises(InputError, match="refused"):
        load_networks(folder)
    assert not proof.exists()


def test_fewer_frames_than_the_config_says(folder):
    import cv2
    import numpy as np

    pictures = folder / folder.name
    pictures.mkdir()
    with pytest.raises(InputError, match="no pictures|empty"):
        load_clip(folder)
    cv2.imwrite(str(pictures / "00000.png"), np.zeros((40, 24, 3), np.uint8))
    with pytest.raises(InputError, match=r"holds 1 frames, but config\.json says 3"):
        load_clip(folder)
