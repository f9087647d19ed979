"""Decomposing clips whose layers are known, because the tests drew them, and a real one."""

import json
import subprocess
import sys
import urllib.request
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models.optical_flow import raft_large
from transformers import (
    Sam2ImageProcessor,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VideoProcessor,
    Sam2VideoVideoProcessor,
)

from stablevideo import Cancelled, InputError, load_clip, read_video
from stablevideo.decompose import clip as clip_module
from stablevideo.decompose import decompose, examine, find_masks, fit, fit_layers, prepare, sam_folder, turn
from stablevideo.decompose.align import align_background
from stablevideo.decompose.estimate import Estimate
from stablevideo.decompose.masks import mask_from_box, mask_from_scribble, masks_from_motion
from stablevideo.decompose.preflight import SeveralScenes, preflight
from stablevideo.decompose.sam import masks_from_sam
from stablevideo.decompose.schedule import SCHEDULES
from stablevideo.decompose.sheet import Sheet
from stablevideo.decompose.solve import bending, conjugate_gradients
from stablevideo.layers.store import save_layers
from stablevideo.metrics import motion_difference
from stablevideo.options import DecomposeOptions
from stablevideo.video.flow import agree, clip_flow, raft_search
from tests.clips import smooth_picture
from tests.conftest import ROOT

SIZE, COUNT = (120, 184), 10
OBJECT_STEP, BACKGROUND_STEP = np.array([2.5, 0.5]), np.array([-1.0, 0.25])


def detailed(size, seed):
    """A picture with detail at several scales, uint8."""
    fine = np.random.default_rng(seed).random((size[0] // 2, size[1] // 2, 3), np.float32)
    fine = cv2.resize(fine, size[::-1], interpolation=cv2.INTER_CUBIC)
    coarse = smooth_picture(size, seed + 1).permute(1, 2, 0).numpy()
    return (np.clip(0.35 * fine + 0.65 * coarse, 0, 1) * 255).astype(np.uint8)


def window(picture, shift):
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    return cv2.warpAffine(picture, matrix, SIZE[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A disc of one texture that wanders over another: the folder of its frames, and its masks."""
    folder = tmp_path_factory.mktemp("drawn") / "disc"
    folder.mkdir()
    wall, skin = detailed((220, 300), 3), detailed((220, 300), 8)
    skin[..., 0], wall[..., 0] = 150 + skin[..., 0] // 3, wall[..., 0] // 3
    masks = []
    for i in range(COUNT):
        centre = np.array([62.0, 56.0]) + i * OBJECT_STEP
        mask = np.zeros(SIZE, np.uint8)
        cv2.circle(mask, tuple(np.round(centre * 16).astype(int).tolist()), 28 * 16, 255, -1, cv2.LINE_AA, shift=4)
        alpha = mask[..., None] / 255
        frame = alpha * window(skin, [50, 50] - i * OBJECT_STEP) + (1 - alpha) * window(
            wall, [50, 50] - i * BACKGROUND_STEP
        )
        cv2.imwrite(str(folder / f"{i:05d}.png"), frame.round().astype(np.uint8)[..., ::-1])
        masks.append(mask > 127)
    return folder, np.stack(masks)


@pytest.fixture(scope="module")
def frames(drawn):
    return [frame.permute(1, 2, 0).numpy() for frame in read_video(drawn[0]).frames(range(COUNT))]


@pytest.fixture(scope="module")
def flow(frames):
    return clip_flow(frames)


@pytest.fixture(scope="module")
def clip(drawn):
    return decompose(read_video(drawn[0]))


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def test_flow_is_the_motion_and_says_where_it_can_be_trusted(drawn, flow):
    inner = cv2.erode(drawn[1][4].astype(np.uint8), np.ones((9, 9))) > 0
    outer = cv2.dilate(drawn[1][4].astype(np.uint8), np.ones((15, 15))) == 0
    outer[:6], outer[-6:], outer[:, :6], outer[:, -6:] = False, False, False, False
    for region, step in ((inner, OBJECT_STEP), (outer, BACKGROUND_STEP)):
        assert np.abs(np.median(flow.forward[4][region], 0) - step).max() < 0.6
        assert np.abs(np.median(flow.backward[3][region], 0) + step).max() < 0.6
        assert flow.forward_valid[4][region].mean() > 0.8
    there = np.tile(np.float32([3, -2]), (20, 30, 1))
    lost = there.copy()
    lost[5:9, 8:15] = 9
    assert agree(there, -there)[4:-4, 4:-4].all()
    assert not agree(lost, -there)[5:9, 8:15].any()


def test_what_moves_is_found(drawn, frames, flow):
    found = masks_from_motion(frames, flow)
    assert min(overlap(a, b) for a, b in zip(found, drawn[1], strict=True)) > 0.85


def test_a_box_and_a_scribble_mark_the_object(drawn, frames):
    truth = drawn[1][0]
    assert overlap(mask_from_box(frames[0], (30, 24, 94, 88)), truth) > 0.85
    inside, outside = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    inside[38:74, 58:66], outside[:6] = True, True
    assert overlap(mask_from_scribble(frames[0], inside, outside), truth) > 0.8


def test_alignment_follows_the_background(drawn, flow):
    maps = align_background(flow, ~drawn[1], reference=5)
    for i in (0, 9):
        there = maps[i] @ [92, 60, 1]
        assert np.abs(there[:2] / there[2] - [92, 60] - (5 - i) * BACKGROUND_STEP).max() < 0.6


def test_layers_compose_to_the_frames(drawn, clip):
    frames = read_video(drawn[0]).frames(range(COUNT)).float() / 255
    rendered = torch.cat(list(clip.render()))
    assert -10 * (rendered - frames).square().mean().log10() > 30


def test_the_matte_is_the_object(drawn, clip):
    alpha = clip.alpha(range(COUNT))[:, 0].numpy()
    assert overlap(alpha > 0.5, drawn[1]) > 0.9
    far = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((13, 13))) == 0 for mask in drawn[1]])
    assert alpha[far].mean() < 0.02


def test_a_mark_on_an_atlas_stays_on_its_surface(clip):
    """A dot painted where the object's middle lies moves with the object, one on the background with that."""
    for name, start, step in (("foreground", (62, 56), OBJECT_STEP), ("background", (160, 100), BACKGROUND_STEP)):
        uv = clip.layer(name).uv([0], clip.size)[0, start[1], start[0]]
        for i in (3, 6):
            place = np.array(start) + i * step
            found = clip.layer(name).uv([i], clip.size)[0]
            column, row = place.round().astype(int)
            layer = clip.layer(name)
            off = (found[row, column] - uv) / 2 * torch.tensor(layer.size[::-1])
            off_px = off.norm() / layer.warp.texels_per_pixel(layer.size)
            assert off_px < 1.33, (name, i, off_px)  # half a pixel of it is rounding


def test_an_edit_keeps_what_it_did_not_touch_and_its_edges_do_not_crawl(clip, flow):
    layer = clip.background
    middle = layer.size[1] // 2
    rows, columns = torch.meshgrid(*(torch.arange(side) // 24 for side in layer.size), indexing="ij")
    edit = layer.atlas.clone()
    edit[:, :, middle:] = ((rows + columns) % 2 * 0.4 + 0.3)[:, middle:]
    points = replace(layer, footprint_texels=0.0)
    for kind in (layer, points):  # as fitted here; as networks give it
        untouched, shown = (kind.as_seen(picture, clip.size)[:, :, : middle - 8] for picture in (kind.atlas, edit))
        assert torch.equal(untouched, shown)
    assert torch.equal(points.as_seen(layer.atlas, clip.size), layer.atlas)
    # What a pixel holds is a mean over its side: along an edge there are tones between the board's two.
    for kind in (layer, points):
        assert ((kind.as_seen(edit, clip.size) - 0.5).abs() < 0.15)[:, :, middle + 8 :].float().mean() > 0.05

    def crawl(picture, background):
        shown = replace(clip, background=background).render(background=picture)
        rendered = [f.permute(1, 2, 0).numpy() for chunk in shown for f in chunk]
        return motion_difference(rendered[3], rendered[4], flow.forward[3], flow.forward_valid[3] & (alpha < 0.1))

    alpha = clip.alpha([3])[0, 0].numpy()
    as_is = replace(points, atlas=edit)  # nothing to average: that is the clip's own atlas
    assert crawl(edit, layer) < 0.75 * crawl(None, as_is)


def test_the_report_tells_good_layers_from_bad(clip, drawn):
    footage = prepare(read_video(drawn[0]), DecomposeOptions())
    good = examine(clip, footage)
    assert good.psnr > 30
    assert good.ssim > 0.9
    assert max(good.follow_px.values()) < 0.5
    assert "close to the clip" in good.verdict
    assert all(value > 30 for value in good.layer_psnr.values())
    slid = replace(clip.background.warp, nodes=clip.background.warp.nodes[[3, 2, 1, 0, 7, 6, 5, 4, 9, 8]])
    bad = examine(replace(clip, background=replace(clip.background, warp=slid)), footage)
    assert bad.psnr < 25
    assert bad.layer_psnr["background"] < 25 < bad.layer_psnr["foreground"]
    assert "background is poor" in bad.verdict
    assert bad.follow_px["background"] > 4 * good.follow_px["background"]
    blurred = replace(clip.background, atlas=F.avg_pool2d(clip.background.atlas[None], 21, 1, 10)[0])
    assert "background is blurred" in examine(replace(clip, background=blurred), footage).verdict


@pytest.fixture
def short(drawn):
    """A few frames, small: quick to fit."""
    footage = prepare(read_video(drawn[0]), DecomposeOptions(width=92, height=60, frames=4))
    return footage, find_masks(footage, None)


@pytest.mark.slow
def test_what_was_stopped_goes_on_from_the_last_state(short, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_S", 0)
    whole = []
    uninterrupted = fit_layers(*short, watch=lambda state: whole.append(state.done))

    def stop(state):
        if state.done == 18:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_layers(*short, watch=stop)
    rest = []
    resumed = fit_layers(*short, watch=lambda state: rest.append(state.done))
    assert whole == list(range(1, len(whole) + 1))
    assert rest == whole[18:]
    assert torch.equal(resumed.foreground.warp.nodes, uninterrupted.foreground.warp.nodes)
    assert torch.equal(resumed.background.atlas, uninterrupted.background.atlas)
    # It is done: the next call begins anew.
    again = []
    fit_layers(*short, watch=lambda state: again.append(state.done))
    assert again == whole


@pytest.mark.slow
def test_a_killed_command_goes_on(drawn, tmp_path):
    where = ["--data", str(tmp_path / "data"), "--size", "92x60", "--frames", "4"]
    made = [sys.executable, "-m", "stablevideo", "decompose", str(drawn[0]), "--name", "disc", *where]
    killer = (
        "import os, signal, sys; from stablevideo.decompose import fit; fit.SAVE_S = 0; keep = fit.Fit.keep;"
        "fit.Fit.keep = lambda self, key: (keep(self, key), self.done == 20 and os.kill(os.getpid(), signal.SIGKILL));"
        "from stablevideo.__main__ import main; sys.argv = sys.argv[1:]; main()"
    )
    killed = subprocess.run([sys.executable, "-c", killer, *made[2:]], cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert not (tmp_path / "data" / "disc").exists()
    counter = (
        "import sys; from stablevideo.decompose import fit; turn = fit.Fit.turn_or_step_back;"
        "fit.Fit.turn_or_step_back = lambda self, *rest: (print('turn', self.done), turn(self, *rest))[1];"
        "from stablevideo.__main__ import main; sys.argv = sys.argv[1:]; main()"
    )
    done = subprocess.run([sys.executable, "-c", counter, *made[2:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "turn 20" in done.stdout
    assert "turn 19" not in done.stdout
    assert load_clip(tmp_path / "data" / "disc").frame_count == 4


@pytest.mark.slow
def test_numbers_that_are_none_are_stepped_back_from(short, monkeypatch, caplog):
    calls, step, kept = [], turn.map_step, []

    def poisoned(*arguments):
        calls.append(None)
        return step(*arguments) * (float("nan") if len(calls) == 33 else 1)

    def keep(self, key):
        kept.append(all(tensor.isfinite().all() for tensor in self.estimate.state().values()))

    monkeypatch.setattr(fit, "SAVE_S", 0)
    monkeypatch.setattr(turn, "map_step", poisoned)
    monkeypatch.setattr(fit.Fit, "keep", keep)
    found = fit_layers(*short)
    assert "no finite numbers" in caplog.text
    assert all(kept)
    render = torch.cat(list(found.render()))
    assert -10 * (render - short[0].pictures / 255).square().mean().log10() > 28


def test_too_much_is_refused_with_what_to_do(drawn, monkeypatch):
    monkeypatch.setattr(clip_module, "MOST_PX", 5 * SIZE[0] * SIZE[1])
    with pytest.raises(InputError, match="10 frames of 184x120 are too many at once; choose at most 5"):
        prepare(read_video(drawn[0]), DecomposeOptions())


def test_raft_and_sam_are_asked_for_by_name(drawn, frames, tmp_path, monkeypatch):
    """With random weights: what they find means nothing, its shape and range do."""
    torch.manual_seed(0)
    network = raft_large().eval()
    found = raft_search(network)(frames[0], frames[1])
    assert found.shape == (*SIZE, 2)
    assert np.isfinite(found).all()

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(InputError, match="cannot be downloaded from https://.*no network.; use the flow `dis`"):
        prepare(read_video(drawn[0]), DecomposeOptions(flow="raft"), ckpt=tmp_path)
    monkeypatch.setattr("stablevideo.diffusion.weights.hub_folder", lambda *_: (_ for _ in ()).throw(InputError("off")))
    with pytest.raises(InputError, match="or carry masks by flow"):
        sam_folder(tmp_path)


@pytest.mark.slow
def test_sam_follows_a_mark_with_random_weights(drawn, frames, tmp_path):
    torch.manual_seed(0)
    Sam2VideoModel(Sam2VideoConfig()).save_pretrained(tmp_path / "sam2.1-tiny")
    Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor()).save_pretrained(tmp_path / "sam2.1-tiny")
    seen = []
    masks = masks_from_sam(
        frames[:3], {1: drawn[1][1]}, sam_folder(tmp_path), lambda fraction, _: seen.append(fraction)
    )
    assert masks.shape == (3, *SIZE)
    assert masks.dtype == bool
    assert max(seen) == 1


def test_saved_layers_come_back(clip, tmp_path):
    save_layers(clip, tmp_path / "disc")
    assert not list(tmp_path.glob(".*"))
    back = load_clip(tmp_path / "disc")
    for first, second in zip(clip.render(frames=[0, 7]), back.render(frames=[0, 7]), strict=True):
        assert (first - second).abs().max() < 2.5 / 255
    with pytest.raises(InputError, match="already there"):
        save_layers(clip, tmp_path / "disc")
    record = json.loads((tmp_path / "disc" / "layers.json").read_text())
    (tmp_path / "disc" / "layers.json").write_text(json.dumps(record | {"version": 99}))
    with pytest.raises(InputError, match="version 99"):
        load_clip(tmp_path / "disc")
    (tmp_path / "disc" / "layers.safetensors").write_bytes(b"no layers")
    with pytest.raises(InputError, match="no whole layers"):
        load_clip(tmp_path / "disc")


def test_wrong_input_is_named(drawn, frames):
    video = read_video(drawn[0])
    for masks, said in (
        (np.zeros((COUNT, *SIZE), bool), "empty in every frame"),
        (np.ones((COUNT, *SIZE), bool), "covers the whole frame"),
        (np.zeros((COUNT - 1, *SIZE), bool), "there are 9 masks; 10 are needed"),
        ({0: np.zeros(SIZE, bool)}, "mask of frame 0 is empty"),
        ({0: np.ones((72, 72), bool)}, "does not fit frames of 184x120"),
    ):
        with pytest.raises(InputError, match=said):
            decompose(video, masks)
    with pytest.raises(InputError, match="fewer than 2"):
        decompose(video, options=DecomposeOptions(frames=1))
    with pytest.raises(InputError, match="not inside the frame of 184x120"):
        mask_from_box(frames[0], (50, 10, 200, 60))
    with pytest.raises(InputError, match="no stroke"):
        mask_from_scribble(frames[0], np.zeros(SIZE, bool), np.zeros(SIZE, bool))


def test_a_still_clip_has_no_object(tmp_path):
    picture = detailed(SIZE, 1)
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    with pytest.raises(InputError, match="nothing moves"):
        decompose(read_video(tmp_path))


def test_conjugate_gradients_solve_and_bending_is_a_gradient():
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randn(2, 6, 7, 2, generator=generator)
    solved = conjugate_gradients(lambda x: 3 * x + 0.2 * bending(x), 3 * wanted + 0.2 * bending(wanted))
    assert (solved - wanted).abs().max() < 1e-3
    nodes = torch.randn(1, 6, 7, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    energy = nodes.diff(n=2, dim=1).square().sum() + nodes.diff(n=2, dim=2).square().sum()
    (gradient,) = torch.autograd.grad(energy / 2, nodes)
    assert torch.allclose(gradient, bending(nodes.detach()))


def test_cuts_are_found_and_offered(drawn, frames, flow):
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    assert preflight(greys, flow).parts == ((0, COUNT),)
    assert preflight(greys, flow).warnings == ()
    other = [np.rot90(grey, 2).copy() for grey in greys[:4]]
    both = greys + other
    assert preflight(both, clip_flow([cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB) for grey in both])).parts == (
        (0, COUNT),
        (COUNT, 4),
    )
    with pytest.raises(SeveralScenes, match="10 frames from frame 7; or 4 frames from frame 17") as caught:
        raise SeveralScenes(((7, 10), (17, 4)))
    assert caught.value.parts == ((7, 10), (17, 4))
    blurred = [*greys[:5], cv2.GaussianBlur(greys[5], (0, 0), 3), *greys[6:]]
    assert any("blurred, first frame 5" in text for text in preflight(blurred, flow).warnings)


@pytest.mark.slow
def test_the_command_makes_a_clip_that_the_others_use(drawn, run_command, tmp_path):
    where = ["--data", tmp_path / "data"]
    made = ["decompose", drawn[0], "--name", "disc", "--box", "30,24,94,88", "--frames", 6, *where]
    done = run_command(*made, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["frames"] == 6
    video = tmp_path / "out.mp4"
    assert run_command("render", "disc", *where, "--log", tmp_path / "log", "-o", video).returncode == 0
    assert read_video(video).frame_count == 6
    other = tmp_path / "other"
    exported = ["export", "disc", "--nla", other, "--minutes", 0.05, *where]
    told = run_command(*exported, "--json")
    assert told.returncode == 0, told.stderr
    facts = json.loads(told.stdout.splitlines()[-1])
    assert facts["lattice_psnr"] > facts["networks_psnr"]
    assert load_clip(other / "disc").frame_count == 6
    twice = run_command(*exported)
    assert twice.returncode == 2
    assert "already" in twice.stderr
    again = run_command(*made)
    assert again.returncode == 2
    assert "choose another name" in again.stderr


@pytest.mark.slow
def test_the_fit_makes_its_tensors_where_it_runs(short, monkeypatch):
    """Whatever is made without a device lies on a device of its own here, and does not go with the rest."""
    footage, masks = short
    # A thread of a pool would not know of that device.
    monkeypatch.setattr(Estimate, "side_by_side", lambda self, work, jobs: [work(job) for job in jobs])
    maps = np.tile(np.eye(3), (len(masks), 1, 1))
    cpu = torch.device("cpu")
    fitted = fit.Fit(Estimate(footage.pictures, torch.from_numpy(masks), footage.flow, maps, maps, cpu))
    with torch.device("meta"):
        fitted.run(SCHEDULES["quick"])
        layers = [sheet.as_layer() for sheet in fitted.estimate.sheets]
    assert all(layer.atlas.device.type == "cpu" for layer in layers)
    assert fitted.curve[-1] > 25


@pytest.mark.slow
def test_a_frame_that_fades_to_black_keeps_its_place(drawn):
    footage = prepare(read_video(drawn[0]), DecomposeOptions(width=92, height=60, frames=6))
    masks = find_masks(footage, None)
    # The last frames go dark after the motion was found, as flow does not see well in the dark either.
    dark = [
        (frame * share).astype(np.uint8) for frame, share in zip(footage.frames, (1, 1, 1, 1, 0.5, 0.1), strict=True)
    ]
    plain, faded = (fit_layers(replace(footage, frames=frames), masks) for frames in (footage.frames, dark))
    for clip in (plain, faded):
        for name in ("foreground", "background"):
            assert (
                examine(clip, replace(footage, frames=dark if clip is faded else footage.frames)).layer_psnr[name] > 26
            )
    edit = torch.full_like(faded.background.atlas, 0.8)
    last = next(faded.render(background=edit, frames=[5]))[0]
    outside = faded.alpha([5])[0, 0] < 0.01
    assert last[:, outside].mean() < 0.2  # an edit fades with the frame


def test_one_wild_frame_does_not_take_the_texels_of_all(short):
    footage, masks = short
    maps = np.tile(np.eye(3), (len(masks), 1, 1))
    maps[2, :2, :2] *= 60
    sheet = Sheet("background", maps, footage.size)
    sheet.place_window(torch.ones(len(masks), *footage.size, dtype=torch.bool), 3.0)
    assert sheet.scale == 3.0
    assert max(sheet.atlas_size) < 4 * max(footage.size)


def test_the_kept_state_is_another_for_another_flow(short, monkeypatch):
    footage, masks = short
    keys = []
    monkeypatch.setattr(fit.Fit, "run", lambda self, schedule, progress, watch, key: keys.append(key))
    monkeypatch.setattr(fit.Fit, "resume", lambda self, key: None)
    still = replace(footage.flow, forward=np.zeros_like(footage.flow.forward))
    for flow in (footage.flow, still, footage.flow):
        fit_layers(replace(footage, flow=flow), masks)
    assert keys[0] == keys[2] != keys[1]
