"""Loading evaluates networks sparsely; here every claim is held against the exact networks, pixel by pixel."""

import os

import pytest
import torch

from stablevideo import InputError, clips, files, load_clip
from stablevideo.layers import coords
from stablevideo.nla import bake
from stablevideo.nla.bake import MATTE_TOLERANCE, SEEN_SHARE, video_points
from stablevideo.nla.networks import load_networks
from tests.clips import psnr

LAYERS = ("foreground", "background")


@pytest.fixture(scope="module", params=["sample", pytest.param("bear", marks=pytest.mark.slow)])
def loaded(request, data, ckpt):
    clip = request.getfixturevalue(request.param)
    folder = data / "sample" if request.param == "sample" else request.getfixturevalue("bear_folder")
    return clip, load_networks(folder), clips._cached_bake(folder, clips.ATLAS_SPACING_PX, lambda *_: None)[1]


def exact(networks, frame):
    """Alpha [H, W], canvas [H, W, 2] and colours [H, W, 3] of both layers, by a network call per pixel."""
    height, width = networks.config.size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = video_points(networks, torch.full((height * width,), frame), torch.stack([x, y], -1).view(-1, 2).float())
    with torch.no_grad():
        alpha = networks.alpha_at(points).view(height, width)
        canvas = {n: networks.canvas_at(n, points) for n in LAYERS}
        colours = {n: networks.colour_at(n, canvas[n]).view(height, width, 3) for n in LAYERS}
    return alpha, {n: c.view(height, width, 2) for n, c in canvas.items()}, colours


@pytest.mark.parametrize("share_of_clip", [0.1, pytest.param(0.63, marks=pytest.mark.slow)])
def test_uv_and_alpha_are_the_networks(loaded, share_of_clip):
    clip, networks, baked = loaded
    frame = int(clip.frame_count * share_of_clip)
    alpha, canvas, colours = exact(networks, frame)
    assert (clip.alpha([frame])[0, 0] - alpha).abs().max() < MATTE_TOLERANCE
    render = 0
    for name in LAYERS:
        share = alpha if name == "foreground" else 1 - alpha
        layer = clip.layer(name)
        texels = coords.uv_to_texel(layer.uv([frame], clip.size)[0], layer.size)
        truth = coords.uv_to_texel(baked[name].window.canvas_to_uv(canvas[name]), layer.size)
        used = share > SEEN_SHARE
        pixel = (truth[:, 1:] - truth[:, :-1]).norm(dim=-1)[used[:, 1:]].median()
        error_px = (texels - truth).norm(dim=-1)[used] / pixel
        assert error_px.max() < 0.25, name
        render = render + share[..., None] * colours[name]
    ours = next(clip.render(frames=[frame]))[0].permute(1, 2, 0)
    source = clip.source([frame])[0].permute(1, 2, 0)
    # As good a copy of the clip as the networks themselves can give.
    assert psnr(ours, source) > psnr(render, source) - 0.3
    assert psnr(ours, render) > 34


def test_second_load_is_the_same_and_needs_no_network(data, sample, monkeypatch):
    monkeypatch.setattr(clips, "bake", lambda *_: pytest.fail("the cache was not used"))
    again = load_clip(data / "sample")
    assert torch.equal(again.foreground.atlas, sample.foreground.atlas)
    assert torch.equal(again.background.warp.nodes, sample.background.warp.nodes)
    assert torch.equal(again.alpha([7]), sample.alpha([7]))


def test_atlas_resolution_changes_the_picture_only(data, sample):
    small = load_clip(data / "sample", atlas_resolution=500)
    assert small.background.size[0] == pytest.approx(sample.background.size[0] / 4, abs=1)
    assert psnr(next(small.render(frames=[5])), next(sample.render(frames=[5]))) > 28


def test_progress_reaches_the_end_and_may_cancel(data, monkeypatch, tmp_path):
    from stablevideo import Cancelled

    monkeypatch.setenv("STABLEVIDEO_CACHE", str(tmp_path / "fresh"))
    seen = []

    def stop(fraction, text):
        seen.append(fraction)
        if len(seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_clip(data / "sample", progress=stop)
    assert seen == sorted(seen)
    assert not (tmp_path / "fresh").exists()  # nothing half-baked is kept


class TestCache:
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path, monkeypatch):
        monkeypatch.setenv("STABLEVIDEO_CACHE", str(tmp_path))
        self.folder = tmp_path
        self.tensors = {"a": torch.arange(1000.0), "b": torch.ones(3, dtype=torch.uint8)}

    def test_round_trip(self):
        files.store("key", self.tensors, {"size": [1, 2]})
        tensors, facts = files.fetch("key")
        assert facts == {"size": [1, 2]}
        assert all(torch.equal(tensors[name], self.tensors[name]) for name in tensors)
        assert [path.name for path in self.folder.iterdir()] == ["key.safetensors"]

    @pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
    def test_a_damaged_entry_is_not_used(self, damage):
        files.store("key", self.tensors, {})
        path = self.folder / "key.safetensors"
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-30]), "empty": b""}[damage])
        assert files.fetch("key") is None
        assert not path.exists()

    def test_a_cache_that_cannot_be_written_is_no_error(self, monkeypatch):
        (self.folder / "file").write_text("")
        monkeypatch.setenv("STABLEVIDEO_CACHE", str(self.folder / "file" / "below"))
        files.store("key", self.tensors, {})
        assert files.fetch("key") is None

    def test_keys_tell_parts_apart(self):
        assert files.content_key(b"ab", b"c") != files.content_key(b"a", b"bc")


def test_a_failed_bake_leaves_the_threads_as_they_were():
    def broken(points):
        raise InputError("this network is broken")

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(InputError, match="broken"):
            bake._in_parallel(broken, torch.zeros(5000, 2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path):
    for age, name in enumerate("abc"):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    files.prune(tmp_path, 200, keep="c.safetensors")
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "b", "c"]
    files.prune(tmp_path, 150, keep="c.safetensors")
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c"]
