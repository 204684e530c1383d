"""Random weights of true size and shape, under the names that embedders look for: for speed and memory, never for scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lofi_pipeline.evaluation.embedders.clap import ROBERTA_TOKENS
from lofi_pipeline.evaluation.embedders.files import PANN_FILE, ROBERTA_FILES, VGGISH_REPOSITORY
from lofi_pipeline.evaluation.embedders.offline import frechet_audio_distance, hub_answers, laion_clap

_VGGISH = '''
"""VGGish by its paper: log-mel examples of 96 x 64, six convolutions, three dense layers."""
import torch
import torchaudio
from torch import nn

dependencies = ["torch"]


class VGGish(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 1
        for step in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
            if step == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(width, step, 3, padding=1), nn.ReLU(True)]
                width = step
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 4 * 6, 4096), nn.ReLU(True), nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, 128), nn.ReLU(True)
        )
        self.mel = torchaudio.transforms.MelSpectrogram(
            16_000, n_fft=512, win_length=400, hop_length=160, f_min=125, f_max=7500, n_mels=64, center=False
        )
        self.preprocess = self.postprocess = True

    def _preprocess(self, x, fs):
        # Frames of 400 samples, each filled up to 512
        mel = self.mel(nn.functional.pad(torch.as_tensor(x).float(), (0, 112))).add(0.01).log().T
        return mel[: len(mel) // 96 * 96].reshape(-1, 1, 96, 64)

    def forward(self, x, fs=None):
        examples = self._preprocess(x, fs) if self.preprocess else x
        return self.embeddings(self.features(examples).permute(0, 2, 3, 1).flatten(1))


def vggish(**kwargs):
    return VGGish()
'''


def put_random_weights(name: str, folder: Path) -> None:
    """Write what the embedder of this name opens into `folder`."""
    import torch

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    {"vggish": _put_vggish, "pann": _put_pann, "clap": _put_clap}[name](folder)


def _put_vggish(folder: Path) -> None:
    import torch

    (folder / VGGISH_REPOSITORY).mkdir()
    (folder / VGGISH_REPOSITORY / "hubconf.py").write_text(_VGGISH)
    (folder / "checkpoints").mkdir()
    # The stand-in draws its own; the files are looked for and hashed
    torch.save({"drawn": torch.zeros(1)}, folder / "checkpoints" / "vggish-10086976.pth")
    torch.save({"drawn": torch.zeros(1)}, folder / "checkpoints" / "vggish_pca_params-970ea276.pth")


def _put_pann(folder: Path) -> None:
    import torch

    frechet_audio_distance()
    from frechet_audio_distance.models.pann import Cnn14

    model = Cnn14(
        sample_rate=32_000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=16_000, classes_num=527
    )
    torch.save({"iteration": np.float64(0), "model": model.state_dict()}, folder / PANN_FILE)


def _put_clap(folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import RobertaTokenizer

    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"<filler{number}>" for number in range(ROBERTA_TOKENS - 1 - len(tokens))] + ["<mask>"]
    vocabulary, merges = (folder / name for name in ROBERTA_FILES)
    vocabulary.parent.mkdir()
    vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = RobertaTokenizer(vocab=str(vocabulary), merges=str(merges))
    with hub_answers(tokenizer=tokenizer, text_model=random_roberta):
        model = laion_clap().CLAP_Module(enable_fusion=False, amodel="HTSAT-tiny", device="cpu").model
    weights = {f"module.{name}": value for name, value in model.state_dict().items()}
    # As the published files have it: laion_clap takes it out without looking
    weights["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": np.int64(0), "state_dict": weights}, folder / "630k-audioset-best.pt")


def random_roberta(*args: object, **kwargs: object) -> Any:
    """In place of what the hub would give."""
    from transformers import RobertaConfig, RobertaModel

    return RobertaModel(
        RobertaConfig(
            vocab_size=ROBERTA_TOKENS, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1
        )
    )
