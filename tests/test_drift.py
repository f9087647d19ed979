"""Keyframes that drift in colour against the ones before them are brought back, and nothing else is."""

import pytest
import torch

from stablevideo import ForegroundOptions, edit_foreground
from stablevideo.edit.drift import MOST_GAIN, drift_gain
from stablevideo.edit.merge import Lift
from tests.clips import smooth_picture

SIZE = (40, 60)
GAIN = torch.tensor([1.12, 0.94, 0.86])[:, None, None]
ATLAS = smooth_picture(SIZE, 1)


def coverage(first, last):
    """Columns that a lift reaches."""
    reached = torch.zeros(1, *SIZE)
    reached[:, :, first:last] = 1
    return reached


def texture(seed):
    return (
        0.35
        + 0.3 * smooth_picture(SIZE, 2)
        + 0.05 * torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(seed))
    )


def gain_of(colours, first=20, last=60, earlier=None, known=None, atlas=ATLAS):
    before = Lift.pack(texture(3) if earlier is None else earlier, coverage(0, 40) if known is None else known)
    return drift_gain(atlas, [before], Lift.pack(colours, coverage(first, last)))


def test_a_planted_drift_is_found_on_what_both_show():
    assert torch.allclose(gain_of(texture(4)), torch.tensor(1.0), atol=0.01)
    drifted = texture(4) / GAIN
    drifted[:, :, 40:] = 0.9  # shown by this keyframe alone
    earlier = texture(3)
    earlier[:, :, :20] = 0.1  # and by the earlier one alone
    assert torch.allclose(gain_of(drifted, earlier=earlier), GAIN, atol=0.01)


def test_what_is_clipped_or_hardly_known_has_no_say():
    drifted = texture(4) / GAIN
    drifted[:, :20] = 0
    known = coverage(0, 40)
    known[:, :, 30:] *= 0.1  # the merged atlas is mostly the unedited one here
    gain = gain_of(drifted, known=known, atlas=torch.full((3, *SIZE), 0.95))
    assert torch.allclose(gain, GAIN, atol=0.015)


def test_too_little_in_common_changes_nothing():
    drifted = texture(4) / GAIN
    assert torch.equal(gain_of(drifted, first=39), torch.ones(3, 1, 1))
    assert torch.equal(gain_of(drifted, first=40), torch.ones(3, 1, 1))
    assert not torch.equal(gain_of(drifted, first=36), torch.ones(3, 1, 1))


def test_another_colour_is_no_drift():
    blue, red = (torch.tensor(c)[:, None, None].expand(3, *SIZE) for c in ([0.1, 0.2, 0.8], [0.8, 0.2, 0.1]))
    gain = gain_of(red, earlier=blue).flatten()
    assert gain.tolist() == pytest.approx([1 / MOST_GAIN, 1, MOST_GAIN])


@pytest.mark.parametrize(("corrected", "off"), [(True, 0.02), (False, 0.3)])
def test_an_edit_is_anchored_on_its_first_keyframe(sample, editor, monkeypatch, corrected, off):
    painted = []

    def paint(self, prompt, hints, *others):
        tint = torch.tensor([0.6, 0.5, 0.4])[:, None, None] / GAIN ** len(painted)
        painted.append(hints)
        grain = torch.rand(3, *hints[0].picture.shape[1:], generator=torch.Generator().manual_seed(len(painted)))
        return tint * (0.9 + 0.2 * grain)

    monkeypatch.setattr(type(editor), "paint", paint)
    options = ForegroundOptions(resolution=256, keyframes="24, 8, 40", seed=1, color_correction=corrected)
    edit = edit_foreground(sample, "a car", editor, options)
    means = torch.stack([keyframe.after.mean((1, 2)) for keyframe in edit.keyframes])
    worst = (means / means[0] - 1).abs().max().item()
    assert worst < off if corrected else worst > off
    assert edit.settings["color_correction"] is corrected
    assert edit.settings["keyframe_error"] < 0.03 if corrected else edit.settings["keyframe_error"] > 0.03
