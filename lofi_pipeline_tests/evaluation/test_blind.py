"""A blind comparison: who compares can't know which is which, votes are kept, and nothing is said before the end."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import soundfile

from lofi_pipeline.audio import integrated_loudness
from lofi_pipeline.checkpoints.best import best_checkpoint
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.checkpoints.votes import read_votes
from lofi_pipeline.entities import SCORES_RECORD, RecordError, Side
from lofi_pipeline.evaluation import blind
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage, make_scores
from lofi_pipeline_tests.checkpoints.lineages import (
    KEY,
    PROMPTS,
    make_trained,
    scores_with_clips,
    write_clips,
)


@pytest.fixture
def trained(root: DataRoot) -> DataRoot:
    return make_trained(root)


def test_every_pair_is_of_one_prompt_and_seed_and_both_sides_are_heard_as_a(trained: DataRoot) -> None:
    sides: Counter[str] = Counter()
    for _ in range(20):
        found = blind.comparison(trained, blind.begin(trained, KEY[0], KEY[30], "Ada"))
        assert sorted(trial.asked.prompt for trial in found.trials) == sorted(PROMPTS)
        for trial in found.trials:
            assert {trial.a.key, trial.b.key} == {KEY[0], KEY[30]}
            assert trial.a.clip.name == trial.b.clip.name
        of_session = Counter(trial.a.key for trial in found.trials)
        assert abs(of_session[KEY[0]] - of_session[KEY[30]]) <= 1  # as often A as B
        sides.update([found.trials[0].a.key])
    assert set(sides) == {KEY[0], KEY[30]}


def test_a_session_is_the_same_after_a_reload_and_goes_on_where_it_was(trained: DataRoot) -> None:
    session = blind.begin(trained, KEY[10], KEY[30], "Ada")
    first = blind.comparison(trained, session)
    assert blind.comparison(trained, blind.read_session(trained, session.session)) == first
    blind.vote(trained, first, 1, Side.A)
    again = blind.comparison(trained, session)
    assert again.next_trial and again.next_trial.number == 2
    assert again.votes[0].preferred == first.trials[0].a.key


def test_names_of_clips_say_nothing_and_differ_from_session_to_session(trained: DataRoot) -> None:
    tokens = []
    for _ in range(2):
        found = blind.comparison(trained, blind.begin(trained, KEY[10], KEY[30], "Ada"))
        tokens += [clip.token for trial in found.trials for clip in (trial.a, trial.b)]
    assert len(set(tokens)) == len(tokens) == 12
    assert not any(token == "10" or token == "30" or "/" in token or "." in token for token in tokens)


def test_votes_count_once_the_session_has_ended_and_none_is_taken_after_that(trained: DataRoot) -> None:
    session = blind.begin(trained, KEY[20], KEY[30], "Ada")
    found = blind.comparison(trained, session)
    for trial in found.trials:
        blind.vote(trained, found, trial.number, Side.A if trial.a.key == KEY[20] else Side.B)
    assert not any(item.preferences for item in scan_checkpoints(trained))
    blind.end(trained, session)
    (preference,) = next(item for item in scan_checkpoints(trained) if item.step == 20).preferences
    assert (preference.for_one, preference.for_other) == (3, 0)
    with pytest.raises(blind.BlindError, match="has ended"):
        blind.vote(trained, found, 1, Side.B)
    assert len(read_votes(trained, KEY[20], KEY[30])) == 3


def test_a_changed_vote_is_another_line_and_the_last_counts(trained: DataRoot) -> None:
    session = blind.begin(trained, KEY[20], KEY[30], "Ada")
    found = blind.comparison(trained, session)
    blind.vote(trained, found, 1, Side.A)
    blind.vote(trained, found, 1, Side.NEITHER)
    assert [it.side for it in read_votes(trained, KEY[20], KEY[30])] == [Side.A, Side.NEITHER]
    assert blind.comparison(trained, session).preference.neither == 1
    with pytest.raises(blind.BlindError, match="there is no pair 4"):
        blind.vote(trained, found, 4, Side.A)


def test_what_can_t_be_compared_is_refused_with_a_sentence(trained: DataRoot) -> None:
    with pytest.raises(RecordError, match="is the same checkpoint"):
        blind.begin(trained, KEY[20], KEY[20], "Ada")
    with pytest.raises(RecordError, match="who"):
        blind.begin(trained, KEY[20], KEY[30], "  ")
    with pytest.raises(blind.BlindError, match="has no clips here"):
        blind.begin(trained, KEY[20], KEY[20].replace("000020", "000099"), "Ada")
    with pytest.raises(blind.BlindError, match="there is no comparison"):
        blind.read_session(trained, "../../pins")
    path = trained.checkpoint("epoch=0-step=20_lora") / "scores.json"
    scores = json.loads(path.read_text())
    for sample in scores["samples"]:
        sample["seed"] += 1000
    path.write_text(json.dumps(scores))
    with pytest.raises(blind.BlindError, match="no clips of the same prompt and seed"):
        blind.begin(trained, KEY[20], KEY[30], "Ada")


def test_pairs_as_files_are_equally_loud_and_say_nothing(trained: DataRoot, tmp_path) -> None:
    found = blind.comparison(trained, blind.begin(trained, KEY[0], KEY[30], "Ada"))
    a, b = blind.write_pair(trained, found.trials[0], tmp_path)
    assert (a.name, b.name) == ("01-A.wav", "01-B.wav")
    loud = [integrated_loudness(soundfile.read(path, dtype="float32")[0].T) for path in (a, b)]
    assert loud[0] == pytest.approx(loud[1], abs=0.05)


def test_checkpoints_of_two_lineages_are_compared_and_named_with_their_lineage(trained: DataRoot) -> None:
    activate_lineage(trained, make_lineage("b"))
    other = make_lineage("b").partition_key(40)
    folder = make_folder(trained, 40, lineage="b", fad=0.2)
    names = write_clips(folder / "samples", 40)
    scores = scores_with_clips(trained, make_scores(40, 0.2), folder / "samples", names)
    write_json_atomic(folder / SCORES_RECORD, scores)
    models = blind.comparable_models(trained, make_lineage("b").lineage)
    assert list(models.values())[:2] == ["base, no LoRA", "step 40"]
    assert models[KEY[30]] == f"step 30 of {make_lineage().lineage[:8]}"
    session = blind.begin(trained, other, KEY[30], "Ada")
    found = blind.comparison(trained, session)
    assert len(found.trials) == len(PROMPTS)
    for trial in found.trials:
        blind.vote(trained, found, trial.number, Side.NEITHER)
    blind.end(trained, session)
    best = best_checkpoint(scan_checkpoints(trained))
    assert best and f"votes do not tell it from {KEY[30]}" in best.why
