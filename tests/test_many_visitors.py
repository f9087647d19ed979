"""Twenty visitors at once beside an edit: nothing is mixed, nobody waits for it, and what they held is given back."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from gradio_client import Client

from stablevideo.ui import visits, workshop
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.settings import Settings
from stablevideo.ui.visits import Visits
from stablevideo.video.pictures import read_picture

VISITORS, ROUNDS = 20, 3
PAUSE_S = 4.0  # a person looks at what was done before doing more
TOGETHER_S = 240.0  # longer than twenty take to load a clip; then one that failed does not keep the others waiting
STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096
pytestmark = [pytest.mark.slow, pytest.mark.alone]


@dataclass
class Served:
    """A page, and the visits that it holds."""

    address: str
    visits: Visits


@pytest.fixture
def served(data, ckpt, tmp_path, monkeypatch):
    held = []

    class Seen(Visits):
        def __init__(self):
            super().__init__()
            held.append(self)

    monkeypatch.setattr(workshop, "Visits", Seen)
    page = build_app(Settings(data, ckpt, tmp_path / "log", model="embedded", device=torch.device("cpu")))
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield Served(address, held[0])
    page.close()


def client(address):
    patient = {"timeout": TOGETHER_S}  # for what the page is like: twenty ask at once
    return Client(address, verbose=False, download_files=False, httpx_kwargs=patient)


def one_visit(address, number, pause_s, together):
    """Paint in a colour that is this visitor's alone; what lies there after undo and redo, and how long each took."""
    colour = [number / (VISITORS - 1), 1 - number / (VISITORS - 1), 0.5]
    stroke = {"layer": "background", "tool": "brush", "points": [[0.5, 0.5]], "radius": 60, "colour": colour,
              "softness": 0, "opacity": 1}  # fmt: skip
    person, took_s = client(address), []

    def act(*given, api_name):
        time.sleep(pause_s)
        begin = time.perf_counter()
        answer = person.predict(*given, api_name=api_name)
        took_s.append(time.perf_counter() - begin)
        return answer

    person.predict("sample", api_name="/load_clip")
    together.wait()
    time.sleep(pause_s * number / VISITORS)  # not all at the same moment
    act(stroke, api_name="/paint")
    assert act(api_name="/undo")["atlases"]["background"]["edited"] is None
    shown = act(api_name="/redo")
    atlas = read_picture(Path(shown["atlases"]["background"]["edited"]["path"]))
    middle = atlas[:, atlas.shape[1] // 2, atlas.shape[2] // 2]
    return colour, middle.tolist(), took_s


def all_visits(address, pause_s=0.0):
    together = threading.Barrier(VISITORS, timeout=TOGETHER_S)
    with ThreadPoolExecutor(VISITORS) as crowd:
        return list(crowd.map(lambda number: one_visit(address, number, pause_s, together), range(VISITORS)))


def held_bytes():
    gc.collect()
    return int(STATM.read_text().split()[1]) * PAGE_BYTES


def test_nobody_waits_for_an_edit_and_nothing_is_mixed(served):
    editor = client(served.address)
    editor.predict("sample", api_name="/load_clip")
    asked = {"model": "embedded", "resolution": 768, "steps": 100, "seed": 1}  # longer than the visits
    edit = editor.submit("snow", **asked, api_name="/edit_background")
    while not edit.outputs():  # a first preview: it is at work
        time.sleep(0.05)
    found = all_visits(served.address, PAUSE_S)
    assert not edit.done()
    for colour, middle, _ in found:
        assert max(abs(a - b) for a, b in zip(colour, middle, strict=True)) < 0.02
    longest = max(max(took_s) for _, _, took_s in found)
    print(f"{VISITORS} visitors beside an edit: the slowest stroke, undo or redo took {longest:.2f} s")  # noqa: T201
    editor.predict(api_name="/cancel")
    with pytest.raises(Exception, match="Cancelled"):
        edit.result()


@pytest.mark.skipif(not STATM.exists(), reason="memory is read from /proc")
def test_what_visitors_held_is_given_back(served, monkeypatch):
    after = []
    print(f"{held_bytes() / 2**20:.0f} MB before")  # noqa: T201
    for _ in range(ROUNDS):
        all_visits(served.address)
        most = held_bytes()
        with monkeypatch.context() as later:  # all of them left long ago
            for kind in ("IDLE_S", "CLOSED_S"):
                later.setattr(visits, kind, -1)
            served.visits.sweep()
        assert not [folder for folder in served.visits.root.glob("visit-*") if folder.is_dir()]
        after.append(held_bytes())
        print(f"{most / 2**20:.0f} MB with {VISITORS} visitors, {after[-1] / 2**20:.0f} MB after")  # noqa: T201
    assert after[-1] <= 1.1 * after[0]
