"""What lies among the checkpoints and can't be used is named by `lofi run` and `lofi status`, with what to do."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.foreign import LARGEST_HEAD, MOST_FILES
from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.run_summary import ForeignLine, show, summarize
from lofi_pipeline.cli.status import MOST_LINES
from lofi_pipeline.config import load_config
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_folder
from lofi_pipeline_tests.cli.test_cli import lofi

LAYER = "transformer_blocks.0.attn"
DIFFUSERS = [f"transformer.{LAYER}.to_q.lora_A.weight"]
PEFT = [f"base_model.model.{LAYER}.q_proj.lora_A.weight"]
KOHYA = ["lora_unet_transformer_blocks_0_attn_to_q.lora_down.weight"]
OURS = "epoch=0-step=20_lora"


def weights(path: Path, keys: Sequence[str], dtype: type = np.float32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: np.zeros((2, 2), dtype) for key in keys}, path)
    return path


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def named(root: DataRoot) -> dict[str, str]:
    """What the closing table of a run says, by the name in checkpoints/."""
    found = summarize(root, load_config(), seconds={}, runs=0, reached=set()).foreign
    out = io.StringIO()
    show(
        summarize(root, load_config(), seconds={}, runs=0, reached=set()), root, Console(file=out, width=500)
    )
    assert all(line.path in out.getvalue() and line.sentence in out.getvalue() for line in found)
    return {line.path.removeprefix("checkpoints/"): line.sentence for line in found}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (DIFFUSERS, "a LoRA in the form of diffusers"),
        ([f"transformer.{LAYER}.to_q.lora.down.weight"], "a LoRA in the form of diffusers"),
        (PEFT, "a LoRA in the form of PEFT"),
        (KOHYA, "kohya"),
        (["lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha"], "kohya"),
        (["lycoris_blocks_0_attn_q.lora_up.weight"], "kohya"),
        ([f"diffusion_model.{LAYER}.to_q.lora_A.weight"], "ComfyUI"),
        ([f"{LAYER}.to_q.lora_B.weight"], "a LoRA"),
        (["lora_unet_blocks_0_attn.lokr_w1", "lora_unet_blocks_0_attn.alpha"], "another kind than LoRA"),
        ([f"{LAYER}.to_q.weight"], "no LoRA"),
        (["explora_tion.weight"], "no LoRA"),
        ([], "no LoRA"),
    ],
)
@pytest.mark.parametrize("where", ["mine.safetensors", "mine/lora.safetensors", "mine/last/Lora.SafeTensors"])
def test_weights_of_other_programs_are_told_by_their_keys(
    where: str, keys: list[str], said: str, root: DataRoot
) -> None:
    weights(root.checkpoints / where, keys)
    found = named(root)
    assert list(found) == [where.split("/")[0]]
    assert said in found[where.split("/")[0]]
    assert "move it out of the data root" in found[where.split("/")[0]]


def test_a_folder_named_as_ours_without_its_record_may_be_either(root: DataRoot) -> None:
    weights(root.checkpoints / OURS / "pytorch_lora_weights.safetensors", DIFFUSERS)
    weights(root.checkpoints / OURS / "aaa.safetensors", ["exp_avg"])
    (root.checkpoints / "epoch=0-step=30_lora").mkdir()
    found = named(root)
    assert "checkpoint.json" in found[OURS] and "copy its whole folder again" in found[OURS]
    assert "If another program made it, it seems to be a LoRA in the form of diffusers" in found[OURS]
    assert "copy its whole folder again" in found["epoch=0-step=30_lora"]


def test_records_that_do_not_fit_are_said(root: DataRoot) -> None:
    make_folder(root, 20).rename(root.checkpoints / "best-so-far")
    (make_folder(root, 30) / "checkpoint.json").write_text("{half")
    shutil.move(make_folder(root, 40), root.checkpoints / "from-the-cluster" / "epoch=0-step=40_lora")
    found = named(root)
    assert f"is of {OURS}; give the folder its own name back" in found["best-so-far"]
    assert "not readable" in found["epoch=0-step=30_lora"]
    assert "move epoch=0-step=40_lora to checkpoints/" in found["from-the-cluster"]


class Opened:
    """Leaves a mark when its pickle is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "where", ["peft/adapter_model.bin", "x.pt", "x.ckpt", "x.PTH", f"{OURS}/pytorch_lora.bin"]
)
def test_a_pickle_is_never_opened(where: str, root: DataRoot, tmp_path: Path) -> None:
    written(root.checkpoints / where, pickle.dumps(Opened(tmp_path / "opened")))
    written(root.checkpoints / "peft" / "adapter_config.json", b"{}")
    said = named(root)[where.split("/")[0]]
    assert "pickle" in said and "Convert it to safetensors with the program that made it" in said
    assert not (tmp_path / "opened").exists()


def test_peft_without_weights_and_what_is_packed(root: DataRoot) -> None:
    written(root.checkpoints / "bare" / "adapter_config.json", b"{}")
    written(root.checkpoints / "all.tar.gz", b"x")
    written(root.checkpoints / "notes" / "readme.txt", b"x")
    found = named(root)
    assert "PEFT without its weights" in found["bare"]
    assert "Unpack it" in found["all.tar.gz"]
    assert "No weights lie in it" in found["notes"]


def test_damaged_heads_are_said(root: DataRoot) -> None:
    whole = weights(root.checkpoints / "cut.safetensors", DIFFUSERS)
    heads = {
        "empty": b"",
        "short": b"\x01",
        "huge": (2**62).to_bytes(8, "little") + b"{}",
        "zeros": bytes(100),
        "deep": (200_000).to_bytes(8, "little") + b'{"a":' + b"[" * 199_995,
        "html": b"<!DOCTYPE html><html>not found</html>",
        "large": (LARGEST_HEAD + 8).to_bytes(8, "little") + b"{}".ljust(LARGEST_HEAD + 8),
        "list": (2).to_bytes(8, "little") + b"[]",
    }
    for name, data in heads.items():
        written(root.checkpoints / f"{name}.safetensors", data)
    whole.write_bytes(whole.read_bytes()[:-1])
    os.mkfifo(root.checkpoints / "pipe.safetensors")
    found = named(root)
    assert set(found) == {f"{name}.safetensors" for name in [*heads, "cut", "pipe"]}
    assert all("truncated, damaged" in sentence for sentence in found.values())


def test_links_are_not_followed(root: DataRoot, tmp_path: Path) -> None:
    weights(tmp_path / "elsewhere" / "lora.safetensors", DIFFUSERS)
    (root.checkpoints / OURS).symlink_to(tmp_path / "elsewhere")
    (root.checkpoints / "gone").symlink_to(tmp_path / "nowhere")
    (root.checkpoints / "round").mkdir()
    (root.checkpoints / "round" / "round").symlink_to(root.checkpoints)
    (root.checkpoints / "round" / "lora.safetensors").symlink_to(tmp_path / "elsewhere" / "lora.safetensors")
    found = named(root)
    assert "is a link" in found[OURS] and "is a link" in found["gone"]
    assert "links are not followed" in found["round"]


def test_a_folder_of_many_files_is_looked_at_in_part(root: DataRoot) -> None:
    for number in range(MOST_FILES + 5):
        written(root.checkpoints / "many" / f"{number:05}.wav", b"")
    weights(root.checkpoints / "many" / "z" / "lora.safetensors", DIFFUSERS)
    assert "No weights" in named(root)["many"]


def test_names_do_nothing_to_the_terminal_and_can_be_written(root: DataRoot) -> None:
    weights(root.checkpoints / "a\x1b[31m[red]b" / "\x1b]0;x\x07.safetensors", ["x"])
    written(root.checkpoints / os.fsdecode(b"\xff.pt"), b"")
    summary = summarize(root, load_config(), seconds={}, runs=0, reached=set())
    assert len(summary.foreign) == 2
    assert "\x1b" not in "".join(line.path + line.sentence for line in summary.foreign)
    assert json.loads(summary.model_dump_json())["foreign"]
    out = io.StringIO()
    show(summary, root, Console(file=out, width=500))
    assert "[red]" in out.getvalue()


def test_what_the_pipeline_writes_there_is_not_named(root: DataRoot) -> None:
    make_folder(root, 20, fad=1.0)
    for name in ("archive/0123/epoch=0-step=10_lora", "set-aside/manifest.json", ".rolling/step=20"):
        (root.checkpoints / name).mkdir(parents=True)
    for name in ("manifest.json", "lineage.json", "training_log.jsonl", ".training.lock", "readme.txt"):
        written(root.checkpoints / name, b"x")
    assert named(root) == {}
    assert "foreign" not in summarize(root, load_config(), seconds={}, runs=0, reached=set()).model_dump(
        exclude_unset=True
    )


def test_run_and_status_say_it(root: DataRoot) -> None:
    for number in range(MOST_LINES + 2):
        weights(root.checkpoints / f"theirs-{number}" / "lora.safetensors", KOHYA)
    done = lofi("run", "--data", root.path, "--to", "source_records", "--json", "-")
    foreign = [ForeignLine.model_validate(item) for item in json.loads(done.stdout)["foreign"]]
    assert [line.path for line in foreign] == [f"checkpoints/theirs-{n}" for n in range(MOST_LINES + 2)]
    said = CliRunner().invoke(app, ["--data", str(root.path), "status", "--json", "-"])
    waiting = [
        line for line in json.loads(said.stdout)["waiting"] if "for whoever copies checkpoints" in line
    ]
    assert len(waiting) == MOST_LINES + 1 and waiting[-1].endswith(
        "2 more can't be used; lofi run lists them"
    )
    assert foreign[0].sentence in waiting[0]
