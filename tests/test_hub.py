"""Downloads, from a Hub of the test's own on this machine, which the Hub's real client asks."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stablevideo import InputError
from stablevideo.hub import hub_folder, is_whole, telling
from stablevideo.progress import Cancelled

WEIGHTS = bytes(range(256)) * 4000
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS}
NAMES = ("config.json", "model.safetensors")
COMMIT = "a" * 40


class FakeHub(BaseHTTPRequestHandler):
    """Serves one repository, me/weights, as the Hub does: its facts, its list of files, and their bytes."""

    cut = False  # close the connection half-way through the weights
    fetched: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/api/models/me/weights" or path.startswith("/api/models/me/weights/revision"):
            self.answer(json.dumps({"id": "me/weights", "sha": COMMIT}).encode(), kind="application/json")
        elif path.startswith("/api/models/me/weights/tree"):
            facts = [{"type": "file", "path": n, "size": len(d), "oid": digest(d)} for n, d in FILES.items()]
            self.answer(json.dumps(facts).encode(), kind="application/json")
        elif path.startswith("/me/weights/resolve") and path.rsplit("/", 1)[1] in FILES:
            name = path.rsplit("/", 1)[1]
            if self.command == "GET":
                type(self).fetched.append(name)
            data = FILES[name]
            self.answer(data, self.cut and name == "model.safetensors", ETag=f'"{digest(data)}"')
        else:
            self.send_error(404)

    def answer(self, data, cut=False, kind="application/octet-stream", **headers):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        first = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        fixed = {"Content-Type": kind, "Content-Length": str(len(data) - first), "X-Repo-Commit": COMMIT}
        for name, value in {**fixed, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first : first + (len(data) - first) // 2] if cut else data[first:])


def digest(data):
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants, file_download

    handler = type("Hub", (FakeHub,), {"fetched": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # the client waits between attempts
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_download_that_broke_off_is_finished_by_the_next_call(hub, tmp_path):
    hub.cut = True
    with pytest.raises(InputError, match="me/weights are not all in .*weights.*try again"):
        hub_folder("me/weights", tmp_path, NAMES)
    folder = tmp_path / "weights"
    assert (folder / "config.json").is_file()
    assert not is_whole(folder, ("config.json",))  # one file that is there does not make a whole
    hub.cut = False
    hub.fetched.clear()
    assert hub_folder("me/weights", tmp_path, NAMES) == folder
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.fetched == ["model.safetensors"]  # what came whole is not fetched again


def test_a_download_says_how_far_it_is_and_can_be_cancelled(hub, tmp_path):
    told = []

    def cancel(fraction, text):
        raise Cancelled

    with pytest.raises(Cancelled), telling(cancel):
        hub_folder("me/weights", tmp_path, NAMES)
    with telling(lambda fraction, text: told.append((fraction, text))):
        hub_folder("me/weights", tmp_path, NAMES)
    assert (tmp_path / "weights" / "model.safetensors").read_bytes() == WEIGHTS
    assert told[-1] == (1.0, "downloading me/weights: 1 of 1 MB")
    assert all(0 < fraction <= 1 for fraction, _ in told)
    count = len(told)
    hub_folder("me/weights", tmp_path / "other", NAMES)  # nobody is told outside
    assert len(told) == count


def test_what_is_whole_is_used_without_asking(hub, tmp_path, monkeypatch):
    hub_folder("me/weights", tmp_path, NAMES)
    hub.fetched.clear()
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_folder("me/weights", tmp_path, NAMES) == tmp_path / "weights"
    assert hub.fetched == []


@pytest.mark.parametrize("damage", ["removed", "cut off"])
def test_a_file_that_went_missing_or_was_cut_off_is_fetched_again(hub, tmp_path, damage):
    path = hub_folder("me/weights", tmp_path, NAMES) / "model.safetensors"
    path.unlink()
    if damage == "cut off":
        path.write_bytes(WEIGHTS[:1000])
    hub_folder("me/weights", tmp_path, NAMES)
    assert path.read_bytes() == WEIGHTS


def test_files_put_there_by_hand_are_used_as_they_are(hub, tmp_path, offline):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    with pytest.raises(InputError, match="the Hub cannot be reached"):
        hub_folder("me/weights", tmp_path, NAMES)
    (folder / "model.safetensors").write_bytes(b"one's own")
    assert hub_folder("me/weights", tmp_path, NAMES) == folder
    assert (folder / "model.safetensors").read_bytes() == b"one's own"


def test_half_a_download_is_no_whole_without_the_network(hub, tmp_path, monkeypatch):
    """The client alone would take the folder that is there for everything."""
    hub.cut = True
    with pytest.raises(InputError):
        hub_folder("me/weights", tmp_path, NAMES)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="the Hub cannot be reached"):
        hub_folder("me/weights", tmp_path, NAMES)


def test_a_repository_that_is_not_there_is_named(hub, tmp_path):
    with pytest.raises(InputError, match="me/nothing are not all in"):
        hub_folder("me/nothing", tmp_path, NAMES)


def test_a_folder_that_was_downloaded_in_part_is_completed_for_another_use(hub, tmp_path):
    hub_folder("me/weights", tmp_path, NAMES[:1])
    assert not is_whole(tmp_path / "weights", NAMES)
    folder = hub_folder("me/weights", tmp_path, NAMES)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.fetched == list(NAMES)
    assert is_whole(folder, NAMES)
