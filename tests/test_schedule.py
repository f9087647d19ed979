"""Timesteps and steps of denoising: where they begin, how many they are, that each leads to the next."""

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from stablevideo.diffusion.hints import Hint
from stablevideo.diffusion.schedule import LEFT_OPEN, EvenDDIM, WienerDDIM, sd15_scheduler
from stablevideo.errors import InputError
from stablevideo.options import DiffusionOptions

# The highest timestep of the original's sampler: range(0, 1000, 1000 // steps) + 1, within 0 to 999.
ORIGINAL_BEGINNINGS = {3: 999, 7: 995, 10: 901, 20: 951, 30: 991, 50: 981, 100: 991}


def timesteps(scheduler, steps):
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize(("steps", "beginning"), ORIGINAL_BEGINNINGS.items())
def test_stable_diffusion_begins_where_the_original_does(steps, beginning):
    assert timesteps(sd15_scheduler(), steps)[0] == beginning


@pytest.mark.parametrize("steps", ORIGINAL_BEGINNINGS)
def test_the_embedded_model_begins_at_pure_noise(editor, steps):
    assert timesteps(EvenDDIM.from_config(editor.pipeline.scheduler.config), steps)[0] == 999


@pytest.mark.parametrize("steps", [1, 4, 6, 8, 50])
def test_the_fast_model_begins_at_pure_noise(steps):
    found = timesteps(LCMScheduler.from_config(sd15_scheduler().config), steps)
    assert found[0] == 999
    assert len(found) == steps


def test_as_many_steps_as_asked_each_lower_than_the_one_before(editor):
    for scheduler in (sd15_scheduler(), EvenDDIM.from_config(editor.pipeline.scheduler.config)):
        for steps in range(1, 101):
            found = timesteps(scheduler, steps)
            assert len(found) == steps
            assert found == sorted(set(found), reverse=True)
            assert 900 < found[0] < 1000


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_twenty_steps_are_those_of_diffusers(eta):
    """Where the number divides 1000, the rule is the usual one."""
    ours, usual = sd15_scheduler(), DDIMScheduler.from_config(sd15_scheduler().config)
    assert timesteps(ours, 20) == timesteps(usual, 20)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    samples = [torch.randn(1, 4, 8, 8, generator=generator) for generator in generators]
    for t in usual.timesteps:
        samples = [
            scheduler.step((sample * 1.1 + 0.2).tanh(), t, sample, eta=eta, generator=generator, return_dict=False)[0]
            for scheduler, sample, generator in zip((ours, usual), samples, generators, strict=True)
        ]
    assert torch.allclose(*samples, atol=1e-4)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("steps", [3, 7, 30])
def test_each_step_leads_to_the_noise_of_the_next(kind, steps):
    """With the true noise for an answer, the sample stays clean + noise at each level, whatever the spacing."""
    scheduler = EvenDDIM.from_config(sd15_scheduler().config, prediction_type=kind)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(1)
    clean, noise = (torch.randn(1, 4, 8, 8, generator=generator) for _ in range(2))
    sample = scheduler.add_noise(clean, noise, scheduler.timesteps[:1])
    for i, t in enumerate(scheduler.timesteps):
        answers = {"epsilon": noise, "v_prediction": scheduler.get_velocity(clean, noise, t[None]), "sample": clean}
        sample = scheduler.step(answers[kind], t, sample)[0]
        following = scheduler.timesteps[i + 1 : i + 2]
        expected = scheduler.add_noise(clean, noise, following if len(following) else torch.tensor([0]))
        assert torch.allclose(sample, expected, atol=1e-3)


def test_progress_counts_the_steps_that_were_asked(editor):
    said = []
    options = DiffusionOptions(steps=7)
    generator = torch.Generator().manual_seed(0)
    report = lambda fraction, text: said.append(text)  # noqa: E731
    editor.paint("a red car", Hint("canny", torch.zeros(3, 64, 64)), options, generator, progress=report)
    assert said == [f"step {i} of 7" for i in range(1, 8)]


@pytest.mark.parametrize("steps", range(1, 12))
def test_where_all_noise_is_fresh_samples_are_numbers(editor, steps):
    """From pure noise, nothing of which is kept: what rounds to less than nothing has no root."""
    scheduler = EvenDDIM.from_config(editor.pipeline.scheduler.config)
    scheduler.set_timesteps(steps)
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps:
        sample = scheduler.step(sample, t, sample, eta=1.0, generator=torch.Generator().manual_seed(1))[0]
        assert sample.isfinite().all()


def test_the_embedded_network_is_shown_the_best_linear_guess(editor):
    scheduler = editor.pipeline.scheduler
    assert type(scheduler) is WienerDDIM
    draw = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 4, 8, 32, 32, generator=draw)
    clean *= LEFT_OPEN**0.5
    times = torch.tensor([1, 300, 700, 999])
    noisy = scheduler.add_noise(clean, noise, times)
    shown = scheduler.scale_model_input(noisy, times)
    for i in range(4):
        best = ((noisy[i] * clean[i]).sum() / noisy[i].square().sum()).item()
        assert torch.allclose(shown[i], best * noisy[i], atol=0.02), times[i]
        assert torch.allclose(shown[i], scheduler.scale_model_input(noisy[i : i + 1], times[i])[0])
    assert shown[3].abs().max() == 0  # pure noise says nothing
    assert torch.allclose(shown[0], clean[0], atol=0.25)
    with pytest.raises(InputError, match="timestep"):
        scheduler.scale_model_input(noisy)
