"""What stands out is proposed as the object, by a network that is fetched once."""

import importlib.util
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from stablevideo import InputError, read_video
from stablevideo.decompose import salient
from stablevideo.decompose.salient import FILE, salience, salient_file, salient_mask
from stablevideo.decompose.session import DecomposeSession
from stablevideo.download import download
from stablevideo.hub import telling
from stablevideo.options import DecomposeOptions
from tests.conftest import REAL, ROOT


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A ckpt folder with the network: from `ckpt/`, or from a package `rembg`, where that is installed."""
    found = [ROOT / "ckpt" / FILE]
    spec = importlib.util.find_spec("rembg")
    if spec and spec.submodule_search_locations:
        found += [Path(place) / FILE for place in spec.submodule_search_locations]
    there = [path for path in found if path.is_file()]
    if not there:
        pytest.skip(f"{FILE} lies neither in ckpt/ nor in an installed package rembg")
    folder = tmp_path_factory.mktemp("ckpt")
    shutil.copy(there[0], folder)
    return folder


class Release(BaseHTTPRequestHandler):
    """Serves the file of one folder under every path."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        data = (self.server.folder / FILE).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def release(weights, tmp_path, monkeypatch):
    """A server on this machine that has what the release has; its `folder` can be changed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Release)
    server.folder, server.asked = weights, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(salient, "URL", f"http://127.0.0.1:{server.server_port}/{FILE}")
    yield server
    server.shutdown()
    server.server_close()


def test_it_is_fetched_once_and_says_how_far_it_is(release, weights, tmp_path):
    said = []
    with telling(lambda fraction, text: said.append((fraction, text))):
        for _ in range(2):
            assert salient_file(tmp_path / "ckpt").read_bytes() == (weights / FILE).read_bytes()
    assert release.asked == [f"/{FILE}"]
    assert said[-1] == (1.0, "downloading u2netp: 4.6 MB")


def test_another_file_is_not_taken_and_not_asked_for_again(release, tmp_path):
    release.folder = tmp_path
    (tmp_path / FILE).write_bytes(b"<html>moved</html>")
    for _ in range(2):
        assert salient_file(tmp_path / "ckpt") is None
    assert release.asked == [f"/{FILE}"]
    assert not list((tmp_path / "ckpt").iterdir())


def test_without_a_network_it_is_a_sentence_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(salient, "URL", "http://127.0.0.1:9/none")
    with pytest.raises(InputError, match=r"u2netp.onnx is not in .*refused.*; do without\."):
        download(salient.URL, tmp_path / FILE, salient.SHA256, "do without")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        download(salient.URL, tmp_path / FILE, salient.SHA256, "do without")
    assert salient_file(tmp_path) is None


def test_a_thing_on_plain_ground_stands_out(weights):
    frame = np.full((120, 200, 3), (150, 180, 140), np.uint8)
    cv2.circle(frame, (120, 60), 30, (200, 40, 30), -1)
    mask = salient_mask(frame, salient_file(weights))
    disc = (np.mgrid[:120, :200][1] - 120) ** 2 + (np.mgrid[:120, :200][0] - 60) ** 2 < 30**2
    assert (mask & disc).sum() / (mask | disc).sum() > 0.8
    found = salience(frame, salient_file(weights))
    assert found.shape == (120, 200)
    assert (found.min(), found.max()) == pytest.approx((0, 1), abs=0.02)


@pytest.mark.slow
def test_the_car_of_a_real_clip_is_proposed_and_found_in_all_frames(weights):
    path = REAL / "videos" / "car-turn.mp4"
    if not path.is_file():
        pytest.skip(f"no real clip in {REAL}")
    options = DecomposeOptions(width=192, height=192, frames=6)
    session = DecomposeSession.begin(read_video(path), options, ckpt=weights)
    assert session.propose()
    assert sorted(session.marks) == [0, 3, 5]
    assert all(mark.proposed for mark in session.marks.values())
    masks = session.find_marked()
    assert masks.any((1, 2)).all()
    rows = np.nonzero(masks[3])[0]
    height, width = masks.shape[1:]
    assert 0.03 < masks[3].mean() < 0.3
    assert height * 0.4 < rows.mean() < height * 0.8  # on the road, not in the sky
    session.mark_box(0, (width // 4, height // 3, width * 3 // 4, height * 7 // 8))
    assert list(session.marks) == [0]  # what was proposed makes room for what a person marks
