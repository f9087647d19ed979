"""A GPU that is lent: the lender here forks and pickles as a Space's does, and has the CPU to lend."""

import multiprocessing
import os
import sys
import types
from contextlib import closing

import pytest
import torch

from stablevideo import Cancelled, ForegroundOptions, InputError, RestyleOptions, edit_foreground, read_video, restyle
from stablevideo.diffusion.hints import Hint
from stablevideo.options import DiffusionOptions
from stablevideo.ui.borrowed_gpu import BorrowedGpu, borrowed, seconds
from stablevideo.ui.settings import Settings, gpu_is_lent
from stablevideo.ui.workshop import Workshop
from tests.clips import smooth_picture

SIZE = (64, 96)
QUICK = DiffusionOptions(steps=3, guidance=1.0)


class Lender:
    """What it lent, in seconds, and to which processes."""

    def __init__(self):
        self.lent, self.ended = [], []

    def lend(self, task, duration):
        fork = multiprocessing.get_context("fork")

        def run(*values):
            self.lent.append(duration(*values))
            here, there = fork.Pipe()
            process = fork.Process(target=in_worker, args=(task, there, here), daemon=True)
            process.start()
            there.close()
            here.send(values)
            try:
                while True:
                    try:
                        yield here.recv()
                    except EOFError:
                        break
            finally:
                here.close()  # what is yielded from now on ends the worker
                process.join(30)
                self.ended.append(process.exitcode)

        return run


def in_worker(task, pipe, other):
    other.close()
    torch.set_num_threads(1)  # others did not come through the fork
    with closing(task(*pipe.recv())) as news:
        try:
            for each in news:
                pipe.send(each)
        except BrokenPipeError:
            pass
    pipe.close()
    os._exit(0)


@pytest.fixture
def lender():
    return Lender()


@pytest.fixture
def on_loan(editor, lender):
    return BorrowedGpu(editor, lender.lend)


def hint():
    return Hint("picture", smooth_picture(SIZE, 4))


def paint(editor, prompt="a red wall", generator=None, **more):
    return editor.paint(prompt, hint(), QUICK, generator or torch.Generator().manual_seed(5), **more)


class TestPainting:
    def test_it_is_what_the_editor_paints_and_the_dice_roll_on(self, editor, on_loan, lender):
        one, other = (torch.Generator().manual_seed(5) for _ in range(2))
        for _ in range(2):
            assert torch.equal(paint(on_loan, generator=one), paint(editor, generator=other))
        assert torch.equal(one.get_state(), other.get_state())
        assert lender.lent == [16, 16]
        assert lender.ended == [0, 0]

    def test_it_says_how_far_it_is_and_shows_what_it_is_by_then(self, on_loan):
        said, looks = [], []
        paint(on_loan, progress=lambda fraction, text: said.append((round(fraction, 2), text)), watch=looks.append)
        assert said[-1] == (1.0, "step 3 of 3")
        assert 1 <= len(looks) <= 2
        assert all(look.shape[0] == 3 for look in looks)

    @pytest.mark.slow
    def test_a_whole_edit_is_the_same(self, editor, on_loan, sample, lender):
        options = ForegroundOptions(resolution=256, steps=2, seed=3, keyframes="0, 20")
        borrowed_edit, own = (edit_foreground(sample, "a red car", each, options) for each in (on_loan, editor))
        assert torch.equal(borrowed_edit.atlas, own.atlas)
        assert borrowed_edit.settings == own.settings
        assert len(lender.lent) == 2  # once for each keyframe, and not while they are merged


class TestEnds:
    def test_cancelled_it_is_given_back(self, on_loan, lender):
        def stop(fraction, text):
            raise Cancelled

        with pytest.raises(Cancelled):
            paint(on_loan, progress=stop)
        assert lender.ended == [0]

    def test_what_is_wrong_is_said_in_its_own_words(self, on_loan, editor, monkeypatch):
        with pytest.raises(InputError, match="the prompt is empty"):
            paint(on_loan, " ")

        def runs_out(*_, **__):
            raise torch.OutOfMemoryError

        monkeypatch.setattr(type(editor.pipeline), "__call__", runs_out)
        with pytest.raises(InputError, match="the device ran out of memory at 96x64"):
            paint(on_loan)

    def test_taken_back_too_early_is_a_sentence(self, editor):
        taken_back = BorrowedGpu(editor, lambda task, duration: lambda *_: (each for each in ()))
        with pytest.raises(InputError, match="taken back before the picture was done"):
            paint(taken_back)

    def test_a_whole_video_is_refused(self, on_loan, data):
        with pytest.raises(InputError, match="embedded paints single pictures here"):
            restyle(read_video(data / "sample" / "sample"), "winter", on_loan, RestyleOptions(steps=1))


class TestPage:
    def test_time_is_asked_for_by_steps_and_size(self):
        large = [Hint("canny", torch.zeros(3, 1024, 1024))]
        assert seconds(large, DiffusionOptions(steps=30)) == 46
        assert seconds(large, DiffusionOptions(steps=100)) == 120

    def test_the_package_is_asked_for_a_gpu_where_it_is_there(self, editor, lender, monkeypatch):
        spaces = types.ModuleType("spaces")
        spaces.GPU = lambda duration: lambda task: lender.lend(task, duration)
        monkeypatch.setitem(sys.modules, "spaces", spaces)
        on_loan = borrowed(editor)
        assert torch.equal(paint(on_loan), paint(editor))
        assert lender.lent == [16]
        assert on_loan.editor.makers.device.type == "cpu"

    def test_a_small_model_does_not_wait_for_one(self, ckpt, tmp_path):
        settings = Settings(tmp_path, ckpt, tmp_path, device=torch.device("cpu"), lent_gpu=True)
        editor = Workshop(settings).editor("embedded")
        assert editor.device.type == "cpu"
        assert not isinstance(editor, BorrowedGpu)

    def test_where_gpus_are_lent(self):
        assert gpu_is_lent({"SPACES_ZERO_GPU": "true"})
        assert not gpu_is_lent({})
