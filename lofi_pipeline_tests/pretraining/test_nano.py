"""The shipped nano models: small, whole, deterministic, and good for what they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lofi_pipeline.demo.distributions import Kind, draw
from lofi_pipeline.demo.synth import render
from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
from lofi_pipeline.pretraining import corpus, tokenizer
from lofi_pipeline.pretraining.base import BASE_FOLDER, EMBEDDER_FOLDER
from lofi_pipeline.pretraining.base_objective import LYRICS
from lofi_pipeline.pretraining.embedder import VOCABULARY
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.nano.codec import MelCodec


@pytest.fixture(scope="module")
def pipeline():
    return load_base("nano")


@pytest.fixture(scope="module")
def embedder():
    return NanoEmbedder.load()


def sound(seed: int, kind: Kind = "bright", seconds: float = 5.0) -> torch.Tensor:
    return torch.from_numpy(render(draw(kind, seed, seconds).spec, corpus.RATE).samples)


@pytest.mark.parametrize(("folder", "limit"), [(BASE_FOLDER, 12e6), (EMBEDDER_FOLDER, 3e6)])
def test_what_is_shipped_is_small_and_names_no_path_of_the_machine_it_was_made_on(folder: Path, limit):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix != ".csv") <= limit
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".csv", ".md"}
    for path in folder.rglob("*.json"):
        assert "/tmp" not in path.read_text()
        assert "_name_or_path" not in path.read_text()
    for needed in ("training.json", "loss.csv", "README.md"):
        assert (folder / needed).is_file()


def test_the_base_is_of_the_size_it_claims(pipeline):
    parts = (pipeline.transformer, pipeline.text_encoder, pipeline.condition_encoder)
    assert 4e6 <= sum(p.numel() for part in parts for p in part.parameters()) <= 8e6
    assert pipeline.latents_per_second == 50
    assert torch.isfinite(pipeline.condition_encoder.silence_latent).all()
    assert pipeline.condition_encoder.silence_latent.abs().sum() > 0


def test_the_codec_comes_back_near_and_the_same_each_time(pipeline):
    codec: MelCodec = pipeline.vae
    samples = sound(3)[None]
    latents = codec.encode(samples).latent_dist.sample()
    assert latents.shape == (1, 64, 250)
    decoded = codec.decode(latents).sample
    assert decoded.shape == (1, 2, samples.shape[-1])
    assert torch.equal(decoded, codec.decode(latents).sample)
    again = codec.encode(decoded).latent_dist.mode()
    assert (again - latents).abs().mean() < 0.25


def test_the_codec_survives_saving_and_silence(tmp_path):
    codec = MelCodec(band_mean=(-3.0,) * 64, band_std=(1.5,) * 64)
    codec.save_pretrained(tmp_path)
    again = MelCodec.from_pretrained(tmp_path)
    silence = torch.zeros(1, 2, 24_000)
    assert torch.equal(codec.encode(silence).latent_dist.mean, again.encode(silence).latent_dist.mean)
    assert codec.decode(codec.encode(silence).latent_dist.mean).sample.abs().max() < 0.01


def test_generation_is_deterministic_and_the_prompt_changes_it(pipeline):
    def clip(prompt: str) -> torch.Tensor:
        return pipeline(
            prompt=prompt,
            lyrics=LYRICS,
            audio_duration=2.0,
            num_inference_steps=4,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).audios

    organ = clip("house, organ, drum machine, 120 bpm")
    assert organ.shape == (1, 100, 64)
    assert torch.equal(organ, clip("house, organ, drum machine, 120 bpm"))
    for other in (
        "house, flute, drum machine, 120 bpm",
        "house, sad, organ, drum machine",
        "house, organ, 160 bpm",
    ):
        assert (organ - clip(other)).abs().mean() > 0.05


def test_the_embedder_knows_a_pieces_own_prompt_among_eight(embedder):
    examples = [draw(kind, 3 * corpus.HELD_OUT + i, 5.0) for kind in ("lofi", "bright") for i in range(16)]
    windows = np.stack([render(example.spec, corpus.RATE).samples.mean(0) for example in examples])
    audio, text = embedder.embed_audio(windows), embedder.embed_text([example.prompt for example in examples])
    assert audio.shape == text.shape == (32, embedder.dimension)
    assert np.allclose(np.linalg.norm(audio, axis=1), 1, atol=1e-4)
    first = [(audio[i : i + 8] @ text[i : i + 8].T).argmax(1) == np.arange(8) for i in range(0, 32, 8)]
    assert np.mean(first) > 0.8


def test_loudness_does_not_move_an_embedding_much(embedder):
    window = sound(8).mean(0).numpy()[None]
    assert float((embedder.embed_audio(window) * embedder.embed_audio(0.3 * window)).sum()) > 0.999
    assert embedder.embed_audio(np.zeros((1, 120_000), np.float32)).shape == (1, embedder.dimension)


def test_the_tokenizer_knows_every_word_of_the_vocabulary(pipeline):
    unknown = pipeline.tokenizer.unk_token_id
    for word in tokenizer.words(VOCABULARY):
        assert unknown not in pipeline.tokenizer(word)["input_ids"], word
    text, lyric = pipeline._format_prompt(
        "lofi hip hop, mellow, rhodes, 82 bpm", LYRICS, bpm=82, keyscale="F# minor"
    )
    assert unknown not in pipeline.tokenizer(text)["input_ids"]
    assert unknown not in pipeline.tokenizer(lyric)["input_ids"]


def test_the_same_seed_draws_the_same_piece():
    assert draw("lofi", 12) == draw("lofi", 12)
    assert draw("lofi", 12) != draw("bright", 12)
    assert all(60 <= draw("lofi", seed).spec.bpm <= 95 for seed in range(50))
    assert all(96 <= draw("bright", seed).spec.bpm <= 168 for seed in range(50))
