"""What each step sees follows from seed and step alone, and processes share it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from diffusers.pipelines.ace_step.pipeline_ace_step import AceStepPipeline
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.training.sampling import (
    BatchPlan,
    crop_frames,
    crop_offset,
    generator,
    groups_of_equal_shape,
    timesteps,
)

shape = st.tuples(st.integers(2, 4), st.integers(50, 54))
shapes = st.lists(shape, min_size=1, max_size=40)
said = st.lists(st.lists(shape, min_size=1, max_size=3).map(tuple), min_size=1, max_size=40)


@given(shapes=said, batch_size=st.integers(1, 5), world=st.integers(1, 3), seed=st.integers(0, 9))
def test_every_track_comes_equally_often(shapes: list, batch_size: int, world: int, seed: int):
    plan = BatchPlan(tuple(shapes), batch_size, seed, world)
    windows = 3 * len(shapes)  # whole windows that are whole epochs
    steps = windows * plan._window
    seen = Counter(
        track
        for step in range(steps)
        for rank in range(world)
        for track, _ in plan.chosen(step)[plan.share(rank)]
    )
    assert set(seen) == set(range(len(shapes)))
    assert len(set(seen.values())) == 1


@given(shapes=said, step=st.integers(0, 500))
def test_a_plan_has_no_memory(shapes: list, step: int):
    first, second = (BatchPlan(tuple(shapes), 3, 7) for _ in range(2))
    for earlier in range(0, step, 50):
        first.chosen(earlier)
    assert first.chosen(step) == second.chosen(step)


def test_every_caption_of_a_track_is_seen_and_one_alone_is_the_first():
    plan = BatchPlan((((250, 60), (250, 61), (250, 62)), ((250, 60),)), 2, 0)
    seen = Counter(one for step in range(300) for one in plan.chosen(step))
    assert seen[(1, 0)] == 300 and set(seen) == {(0, 0), (0, 1), (0, 2), (1, 0)}
    assert min(seen.values()) > 60


@given(shapes=said, batch_size=st.integers(1, 5), step=st.integers(0, 60))
def test_captions_change_nothing_in_the_order_of_tracks_of_one_shape(
    shapes: list, batch_size: int, step: int
):
    alike = tuple(tuple((250, 60) for _ in each) for each in shapes)
    plan, plain = (BatchPlan(each, batch_size, 3) for each in (alike, tuple(((250, 60),) for _ in shapes)))
    assert [track for track, _ in plan.chosen(step)] == [track for track, _ in plain.chosen(step)]


@given(shapes)
def test_groups_hold_equal_shapes_and_every_crop_once(shapes: list):
    groups = groups_of_equal_shape(shapes)
    assert sorted(place for group in groups for place in group) == list(range(len(shapes)))
    assert all(len({shapes[place] for place in group}) == 1 for group in groups)


def test_large_sets_need_few_groups():
    shapes = tuple(((250, 60 + place % 10), (250, 60 + (place + 3) % 10)) for place in range(640))
    plan = BatchPlan(shapes, 8, 0)
    groups = [len(groups_of_equal_shape([shapes[t][c] for t, c in plan.chosen(step)])) for step in range(80)]
    assert np.mean(groups) < 2


@given(frames=st.integers(4, 500), wanted=st.integers(2, 300), patch=st.integers(1, 2))
def test_crops_lie_within_the_track_in_whole_patches(frames: int, wanted: int, patch: int):
    length = crop_frames(frames, wanted, patch)
    offset = crop_offset(generator(frames, wanted), frames, length)
    assert length % patch == 0 and length <= wanted
    assert 0 <= offset <= frames - length


@given(frames=st.integers(300, 3000), bpm=st.floats(50, 180), seed=st.integers(0, 50))
def test_crops_on_bars_start_a_whole_number_of_bars_into_the_track(frames: int, bpm: float, seed: int):
    bar = 240 / bpm * 50
    offset = crop_offset(generator(seed), frames, 250, bar)
    assert abs(offset - round(offset / bar) * bar) <= 0.5
    assert 0 <= offset <= frames - 250 + 0.5


def test_timesteps_are_those_ace_step_was_trained_with():
    drawn = timesteps(generator("t"), 20_000, kind="logit_normal", mean=-0.4, std=1.0)
    logits = np.log(drawn.astype(float) / (1 - drawn.astype(float)))
    assert drawn.dtype == np.float32 and len(set(drawn.tolist())) > 19_000
    assert abs(logits.mean() + 0.4) < 0.03 and abs(logits.std() - 1) < 0.03


def test_turbo8_draws_the_steps_that_turbo_models_generate_with():
    schedule = AceStepPipeline._get_timestep_schedule(
        AceStepPipeline.__new__(AceStepPipeline), num_inference_steps=8, shift=3.0
    )
    drawn = timesteps(generator("t"), 2000, kind="turbo8", mean=0, std=1)
    np.testing.assert_allclose(sorted(set(drawn.tolist())), sorted(schedule.tolist()), rtol=1e-6)
