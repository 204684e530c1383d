"""`lofi import-lora`: a LoRA of another program answers as in its own, or is refused by file, field and rule.

The referee adds alpha / rank * B A to the base's weights; where diffusers or PEFT read a form themselves, their answer counts too.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from peft import LoraConfig, PeftModel
from safetensors.torch import save_file
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.folder import read_checkpoint_folder
from lofi_pipeline.checkpoints.manifest import files_fault
from lofi_pipeline.cli.app import app, main
from lofi_pipeline.storage import DataRoot, read_ledger
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.checkpoints import verify_checkpoint
from lofi_pipeline.training.errors import ImportRefused
from lofi_pipeline.training.weights import (
    METADATA_KEY,
    ace_step_name,
    load_checkpoint_into,
    read_parity_check,
    take_parity_check,
)
from lofi_pipeline_tests.training.toy import WIDTH

RANK, ALPHA = 4, 6.0
MODULES = {
    "layers.0.self_attn.to_q": (WIDTH, WIDTH),
    "layers.0.cross_attn.to_out.0": (WIDTH, WIDTH),
    "layers.1.mlp.gate_proj": (2 * WIDTH, WIDTH),
}
"""Some of the toy base's linear layers: outputs and inputs."""
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def empty(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "empty").create()


def halves(ranks: dict[str, int] | None = None, dtype: torch.dtype = torch.float32) -> dict[str, Tensors]:
    """A LoRA of MODULES, the same each time."""
    rng = torch.Generator().manual_seed(7)
    found = {}
    for name, (outputs, inputs) in MODULES.items():
        rank = (ranks or {}).get(name, RANK)
        a, b = torch.randn(rank, inputs, generator=rng), torch.randn(outputs, rank, generator=rng)
        found[name] = {"A": (a * 0.3).to(dtype), "B": (b * 0.3).to(dtype)}
    return found


def named(lora: dict[str, Tensors], spell: Callable[[str], str], a: str, b: str) -> Tensors:
    words = {"A": a, "B": b}
    return {
        f"{spell(module)}.{words[half]}.weight": tensor.contiguous()
        for module, parts in lora.items()
        for half, tensor in parts.items()
    }


def alphas(spell: Callable[[str], str], alpha: float = ALPHA) -> Tensors:
    return {f"{spell(module)}.alpha": torch.tensor(alpha) for module in MODULES}


def peft_name(module: str) -> str:
    return f"base_model.model.{ace_step_name(module)}"


def kohya(module: str) -> str:
    return "lora_unet_" + ace_step_name(module).replace(".", "_")


def kohya_of_diffusers(module: str) -> str:
    return "lora_unet_" + module.replace(".", "_")


def config(**changes: object) -> dict[str, object]:
    return {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["q_proj"]} | changes


def peft_folder(folder: Path, tensors: Tensors | None = None, **changes: object) -> Path:
    folder.mkdir()
    save_file(tensors or named(halves(), peft_name, "lora_A", "lora_B"), folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config(**changes)))
    return folder


def kohya_file(path: Path, **changes: torch.Tensor | None) -> Path:
    """A whole file in kohya's form, with tensors put in or, with None, left out."""
    tensors: dict[str, Any] = named(halves(), kohya, "lora_down", "lora_up") | alphas(kohya) | changes
    save_file({name: it for name, it in tensors.items() if it is not None}, path)
    return path


def bring(root: DataRoot, base: Path, lora: Path, *options: object) -> Result:
    words = ["import-lora", lora, "--base", base, "--data", root.path, "--json", "-", *options]
    return CliRunner().invoke(app, [str(word) for word in words])  # type: ignore[return-value]


def taken_in(root: DataRoot, base: Path, lora: Path, *options: object) -> dict[str, Any]:
    done = bring(root, base, lora, *options)
    assert done.exit_code == 0, done.exception or done.output
    return json.loads(done.stdout)


def answer_of(base: Path, folder: Path) -> torch.Tensor:
    pipeline = load_base(str(base))
    load_checkpoint_into(pipeline, folder)
    return take_parity_check(pipeline.transformer).with_adapter


def merged(base: Path, lora: dict[str, Tensors], scales: dict[str, float] | float) -> torch.Tensor:
    """What the base answers with scale * B A added to its weights."""
    transformer: Any = load_base(str(base)).transformer
    for module, parts in lora.items():
        scale = scales[module] if isinstance(scales, dict) else scales
        transformer.get_submodule(module).weight.data += scale * parts["B"].float() @ parts["A"].float()
    return plain_answer(transformer)


def plain_answer(transformer: Any) -> torch.Tensor:
    """What a transformer without a LoRA answers."""
    # One that changes nothing: the question is asked with a LoRA and without
    transformer.add_adapter(LoraConfig(r=1, target_modules=["to_q"]))
    return take_parity_check(transformer).without


def forms(folder: Path) -> dict[str, tuple[Path, tuple[object, ...]]]:
    """The same LoRA in every form, and the options that its import needs."""
    a_b = halves()
    files = {
        "peft-default": named(a_b, peft_name, "lora_A.default", "lora_B.default"),
        "peft-of-diffusers": named(a_b, lambda m: f"base_model.model.{m}", "lora_A", "lora_B"),
        "diffusers": named(a_b, lambda m: f"transformer.{m}", "lora_A", "lora_B"),
        "bare": named(a_b, lambda m: m, "lora_A", "lora_B"),
        "comfy": named(a_b, lambda m: f"diffusion_model.{ace_step_name(m)}", "lora_down", "lora_up"),
        "whole-model": named(
            a_b, lambda m: f"base_model.model.decoder.{ace_step_name(m)}", "lora_A", "lora_B"
        ),
        "kohya": named(a_b, kohya, "lora_down", "lora_up") | alphas(kohya),
        "kohya-of-diffusers": named(a_b, kohya_of_diffusers, "lora_down", "lora_up")
        | alphas(kohya_of_diffusers),
    }
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    header = {METADATA_KEY: json.dumps({f"transformer.{key}": value for key, value in config().items()})}
    save_file(files["diffusers"], folder / "header.safetensors", metadata=header)
    silent = named(a_b, kohya, "lora_down", "lora_up")
    notes = {"ss_network_alpha": str(ALPHA), "ss_network_dim": str(RANK)}
    save_file(silent, folder / "notes.safetensors", metadata=notes)
    given = ("--alpha", ALPHA)
    found: dict[str, tuple[Path, tuple[object, ...]]] = {
        name: (folder / f"{name}.safetensors", () if "kohya" in name else given) for name in files
    }
    found |= {name: (folder / f"{name}.safetensors", ()) for name in ("header", "notes")}
    return found | {"peft-folder": (peft_folder(folder / "peft"), ())}


def test_the_same_lora_in_every_form_answers_alike_and_is_one_lineage(
    base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    expected = merged(base, halves(), ALPHA / RANK)
    found = forms(tmp_path)
    first = taken_in(empty, base, *_flat(found.pop("kohya")))
    folder = empty.path / first["path"]
    assert first["fresh"] and first["lineage"]["imported"]["form"] == "kohya"
    answer = answer_of(base, folder)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-5)
    assert (answer - read_parity_check(folder).without).norm() > 0.05 * answer.norm()
    before = {path: path.read_bytes() for path in empty.checkpoints.rglob("*") if path.is_file()}
    for name, item in found.items():
        again = taken_in(empty, base, *_flat(item))
        assert (again["partition_key"], again["fresh"]) == (first["partition_key"], False), name
    assert before == {path: path.read_bytes() for path in empty.checkpoints.rglob("*") if path.is_file()}


def _flat(item: tuple[Path, tuple[object, ...]]) -> tuple[Path, *tuple[object, ...]]:
    return item[0], *item[1]


def test_diffusers_and_peft_answer_the_same_with_the_original(
    base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    found = forms(tmp_path)
    ours = answer_of(base, empty.path / taken_in(empty, base, found["header"][0])["path"])
    pipeline: Any = load_base(str(base))
    pipeline.load_lora_weights(str(tmp_path), weight_name="header.safetensors", local_files_only=True)
    torch.testing.assert_close(
        take_parity_check(pipeline.transformer).with_adapter, ours, atol=1e-5, rtol=1e-5
    )

    # PEFT finds modules by the names that diffusers gave them
    tensors = named(halves(), lambda m: f"base_model.model.{m}", "lora_A", "lora_B")
    theirs = peft_folder(tmp_path / "theirs", tensors, target_modules=list(MODULES))
    wrapped: Any = PeftModel.from_pretrained(load_base(str(base)).transformer, str(theirs))
    torch.testing.assert_close(plain_answer(wrapped.merge_and_unload()), ours, atol=1e-5, rtol=1e-5)
    assert not taken_in(empty, base, theirs)["fresh"]


def test_ranks_and_alphas_of_each_module_half_precision_and_rslora(
    base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    first, second, third = MODULES
    ranks = {first: 8, third: 2}
    lora = halves(ranks, torch.bfloat16)
    own = {first: 3.0, second: 4.0, third: 16.0}
    tensors = named(lora, kohya, "lora_down", "lora_up")
    save_file(
        tensors | {f"{kohya(m)}.alpha": torch.tensor(own[m]) for m in MODULES}, tmp_path / "k.safetensors"
    )
    found = taken_in(empty, base, tmp_path / "k.safetensors")
    expected = merged(base, lora, {m: own[m] / ranks.get(m, RANK) for m in MODULES})
    torch.testing.assert_close(answer_of(base, empty.path / found["path"]), expected, atol=1e-5, rtol=1e-5)

    patterns = {
        "rank_pattern": {ace_step_name(first): 8, "mlp.gate_proj": 2},
        "alpha_pattern": {f"^{ace_step_name(first)}": 3, "mlp.gate_proj": 16},
    }
    tensors = named(lora, peft_name, "lora_A", "lora_B")
    same = peft_folder(tmp_path / "same", tensors, lora_alpha=4, **patterns)
    assert not taken_in(empty, base, same)["fresh"]

    stable = peft_folder(tmp_path / "stable", use_rslora=True)
    found = taken_in(empty, base, stable)
    expected = merged(base, halves(), ALPHA / math.sqrt(RANK))
    torch.testing.assert_close(answer_of(base, empty.path / found["path"]), expected, atol=1e-5, rtol=1e-5)


def test_what_is_taken_in_lies_as_ours_do(base: Path, empty: DataRoot, tmp_path: Path) -> None:
    words = ("--name", "Rainy", "--licence", "CC BY 4.0", "--from", "https://example.org/x")
    said = taken_in(empty, base, kohya_file(tmp_path / "theirs.safetensors"), *words)
    folder = empty.path / said["path"]
    found = read_checkpoint_folder(empty, folder)
    record = found.record
    assert record and record.checkpoint.is_valid and files_fault(folder, record) is None
    assert folder == empty.archived_lineage(record.lineage.lineage) / "epoch=0-step=1_lora"
    assert record.partition_key == said["partition_key"] in read_ledger(empty).hashes
    imported = record.lineage.imported
    assert imported and imported.claims == {
        "name": "Rainy",
        "licence": "CC BY 4.0",
        "from": "https://example.org/x",
    }
    manifest = json.loads((folder.parent / "manifest.json").read_text())
    assert [entry["path"] for entry in manifest] == [said["path"]]
    assert verify_checkpoint(empty, folder, str(base)).is_valid


def test_one_that_was_damaged_is_set_aside_and_taken_in_again(
    base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    lora = kohya_file(tmp_path / "k.safetensors")
    folder = empty.path / taken_in(empty, base, lora)["path"]
    (folder / "adapter_model.safetensors").write_bytes(b"damaged")
    assert taken_in(empty, base, lora)["fresh"]
    assert verify_checkpoint(empty, folder, str(base)).is_valid
    assert (
        empty.checkpoints / "set-aside" / folder.name / "adapter_model.safetensors"
    ).read_bytes() == b"damaged"


def _bytes_file(path: Path, data: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def _linked(folder: Path) -> Path:
    (folder / "link.safetensors").symlink_to(kohya_file(folder / "k.safetensors"))
    return folder / "link.safetensors"


def _linked_within(folder: Path) -> Path:
    (folder / "in").mkdir()
    (folder / "in" / "x.safetensors").symlink_to(kohya_file(folder / "k.safetensors"))
    return folder / "in"


def _linked_config(folder: Path) -> Path:
    found = peft_folder(folder / "peft")
    (found / "adapter_config.json").rename(folder / "c.json")
    (found / "adapter_config.json").symlink_to(folder / "c.json")
    return found


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.safetensors")
    return folder / "pipe.safetensors"


def _two(folder: Path) -> Path:
    (folder / "two").mkdir()
    kohya_file(folder / "two" / "a.safetensors")
    return kohya_file(folder / "two" / "b.safetensors").parent


def _with(**changes: torch.Tensor | None) -> Callable[[Path], Path]:
    return lambda folder: kohya_file(folder / "k.safetensors", **changes)


def _peft_with(**changes: object) -> Callable[[Path], Path]:
    return lambda folder: peft_folder(folder / "peft", **changes)  # pyright: ignore[reportArgumentType]


def _cut(folder: Path) -> Path:
    path = kohya_file(folder / "k.safetensors")
    return _bytes_file(path, path.read_bytes()[:-5])


def _header(folder: Path, **notes: str) -> Path:
    save_file(named(halves(), peft_name, "lora_A", "lora_B"), folder / "h.safetensors", metadata=notes)
    return folder / "h.safetensors"


def _contradicting(folder: Path) -> Path:
    found = peft_folder(folder / "peft")
    header = {METADATA_KEY: json.dumps({"transformer.r": RANK, "transformer.lora_alpha": 3})}
    save_file(
        named(halves(), peft_name, "lora_A", "lora_B"), found / "adapter_model.safetensors", metadata=header
    )
    return found


def _twice(folder: Path) -> Path:
    path = kohya_file(folder / "k.safetensors")
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    entry = json.dumps(json.loads(data[8:end])[DOWN])
    head = data[8:end].rstrip()[:-1] + f', "{DOWN}": {entry}}}'.encode()
    return _bytes_file(path, len(head).to_bytes(8, "little") + head + data[end:])


Q = kohya(next(iter(MODULES)))
DOWN, UP = f"{Q}.lora_down.weight", f"{Q}.lora_up.weight"
NOT_FINITE = torch.full((RANK, WIDTH), math.nan)
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no file": (lambda f: f / "x.safetensors", "there is no such file"),
    "pickle": (lambda f: _bytes_file(f / "x.bin", pickle.dumps({})), "pickle.*never opened.*convert it"),
    "pickle in a folder": (lambda f: _bytes_file(f / "p" / "x.pt", b"").parent, "x.pt: .*pickle"),
    "another file": (lambda f: _bytes_file(f / "x.gguf", b""), "only .safetensors"),
    "nothing in it": (lambda f: _bytes_file(f / "p" / "readme", b"").parent, "holds no .safetensors"),
    "several": (_two, "a.safetensors, b.safetensors"),
    "ours": (lambda f: _bytes_file(f / "p" / "checkpoint.json", b"{}").parent, "checkpoint of this pipeline"),
    "link": (_linked, "links are not followed"),
    "link in a folder": (_linked_within, "x.safetensors: link: links are not followed"),
    "linked configuration": (_linked_config, "adapter_config.json: link: links are not followed"),
    "pipe": (_pipe, "no regular file"),
    "cut": (_cut, "truncated or damaged"),
    "empty": (lambda f: _bytes_file(f / "x.safetensors", b""), "truncated or damaged"),
    "html": (lambda f: _bytes_file(f / "x.safetensors", b"<!DOCTYPE html>" * 9), "header"),
    "larger than the base": (_with(extra=torch.zeros(10**7)), "more than the .* no LoRA of this base"),
    "unknown module": (_with(**{"lora_unet_layers_9_self_attn_q_proj.alpha": torch.tensor(1.0)}), "layers_9.*another model"),
    "text encoder": (_with(**{"lora_te_layers_0_x.lora_up.weight": torch.zeros(2, 2)}), "text encoder"),
    "convolution": (_with(**{"lora_unet_proj_in_conv.lora_down.weight": torch.zeros(2, 2, 2)}), "no linear layer"),
    "wrong shape": (_with(**{DOWN: torch.zeros(RANK, WIDTH + 1)}), r"self_attn.to_q: has the shapes \(4, 33\)"),
    "halves of other ranks": (_with(**{UP: torch.zeros(WIDTH, 3)}), "has the shapes"),
    "one half": (_with(**{UP: None}), "to_q: lora_B is missing"),
    "alpha alone": (_with(**{UP: None, DOWN: None}), "belongs to no LoRA"),
    "a half given twice": (_with(**{f"{Q}.lora_A.weight": torch.zeros(RANK, WIDTH)}), "given twice"),
    "NaN": (_with(**{DOWN: NOT_FINITE}), "lora_down.weight: holds NaN"),
    "infinity in float64": (_with(**{DOWN: torch.full((RANK, WIDTH), 1e300, dtype=torch.float64)}), "holds NaN or inf"),
    "whole numbers": (_with(**{DOWN: torch.ones(RANK, WIDTH, dtype=torch.int8)}), "holds int8"),
    "alpha of two numbers": (_with(**{f"{Q}.alpha": torch.ones(2)}), "no single number"),
    "alpha NaN": (_with(**{f"{Q}.alpha": torch.tensor(math.nan)}), "alpha is nan"),
    "alpha 0": (_with(**{f"{Q}.alpha": torch.tensor(0.0)}), "above 0"),
    "no alpha": (lambda f: _header(f), "give what it was trained with, --alpha"),
    "DoRA": (_with(**{f"{Q}.dora_scale": torch.ones(1)}), "this is DoRA"),
    "DoRA by its configuration": (_peft_with(use_dora=True), "use_dora: .*DoRA"),
    "LoHa": (_with(**{f"{Q}.hada_w1_a": torch.ones(1)}), "this is LoHa"),
    "LoKr": (_with(**{f"{Q}.lokr_w1": torch.ones(1)}), "this is LoKr"),
    "no part of a LoRA": (_with(**{"layers.0.weight": torch.ones(1)}), "no part of a LoRA"),
    "another kind by its configuration": (_peft_with(peft_type="LOHA"), "peft_type: is 'LOHA'"),
    "biases": (_peft_with(bias="all"), "adapter_config.json: bias"),
    "PiSSA": (_peft_with(init_lora_weights="pissa_niter_4"), "changing the base model's weights"),
    "a setting of a later PEFT": (_peft_with(use_sorcery=True), "use_sorcery: changes what"),
    "an endless name": (_with(**{"decoder." * 5_000 + "x.alpha": torch.tensor(1.0)}), "longer than the 500"),
    "alpha 0 in a pattern": (_peft_with(alpha_pattern={"q_proj": 0}), "above 0"),
    "a class of characters in a pattern": (_peft_with(alpha_pattern={"\\w_proj": 2}), "is a regular expression"),
    "header that contradicts the configuration": (_contradicting, "adapter_config.json 6, lora_adapter_metadata.* 3"),
    "a tensor given twice": (_twice, "given more than once"),
    "a pattern that takes for ever": (_peft_with(alpha_pattern={"(a+)+b": 2}), "is a regular expression"),
    "ranks that differ": (_peft_with(r=5), "says rank 5, its tensors have 4"),
    "rank that is no number": (_peft_with(r="many"), "adapter_config.json: adapter.r"),
    "an endless alpha": (_peft_with(lora_alpha=1e999), "adapter_config.json"),
    "a key given twice": (
        lambda f: _bytes_file(peft_folder(f / "peft") / "adapter_config.json", b'{"r": 4, "r": 8}').parent,
        "adapter_config.json.*r",
    ),
    "configuration that is no object": (
        lambda f: _bytes_file(peft_folder(f / "peft") / "adapter_config.json", b"[1]").parent,
        "adapter_config.json",
    ),
    "header that is no JSON": (lambda f: _header(f, **{METADATA_KEY: "{"}), "is not JSON"),
    "header of great depth": (lambda f: _header(f, **{METADATA_KEY: "[" * 100_000}), "is not JSON"),
    "hostile header": (lambda f: _header(f, **{METADATA_KEY: '{"\\u001b[31mx": 1}'}), "\N{REPLACEMENT CHARACTER}.31mx"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_in_is_refused_and_leaves_nothing(
    case: str, base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    make, said = REFUSED[case]
    (tmp_path / "from").mkdir()
    done = bring(empty, base, make(tmp_path / "from"))
    assert isinstance(done.exception, ImportRefused), done.exception or done.output
    with pytest.raises(ImportRefused, match=f"(?s){said}"):
        raise done.exception
    assert str(done.exception).isprintable() or "\n" in str(done.exception)
    assert [path for path in empty.checkpoints.rglob("*") if not path.name.endswith(".lock")] == []


def test_an_alpha_that_contradicts_the_file_is_refused(base: Path, empty: DataRoot, tmp_path: Path) -> None:
    done = bring(empty, base, kohya_file(tmp_path / "k.safetensors"), "--alpha", 2 * ALPHA)
    with pytest.raises(ImportRefused, match=r"alpha is not the same everywhere: its .alpha 6, --alpha 12"):
        raise done.exception or AssertionError
    done = bring(empty, base, peft_folder(tmp_path / "peft"), "--alpha", -1)
    with pytest.raises(ImportRefused, match="--alpha: alpha is -1.0"):
        raise done.exception or AssertionError


def test_the_adapter_of_a_checkpoint_that_was_trained_here_is_not_taken_for_anothers(
    base: Path, trained: DataRoot
) -> None:
    done = bring(trained, base, trained.checkpoint("epoch=0-step=2_lora") / "adapter_model.safetensors")
    with pytest.raises(ImportRefused, match=r"is of [0-9a-f]{8}-step000002, which was trained here"):
        raise done.exception or AssertionError


def test_weights_that_make_no_numbers_are_refused_and_nothing_stays(
    base: Path, empty: DataRoot, tmp_path: Path
) -> None:
    huge = {DOWN: torch.full((RANK, WIDTH), 1e38), UP: torch.full((WIDTH, RANK), 1e38)}
    done = bring(empty, base, kohya_file(tmp_path / "k.safetensors", **huge))
    assert done.exit_code == 1 and "gives NaN or infinity" in str(done.exception)
    assert list(empty.checkpoint_archive.glob("*")) == []


def test_a_refusal_is_one_sentence_in_the_terminal(
    empty: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[31m[red]b.safetensors"
    (tmp_path / name).write_bytes(b"no weights")

    def ended(*options: str) -> str:
        words = ["lofi", "import-lora", str(tmp_path / name), "--data", str(empty.path), *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().err

    said = ended("--name", "x")
    assert "\x1b" not in said and "[red]b.safetensors: header: " in said
    assert "one line of text" in ended("--licence", "a\nb")
    assert "one line of text" in ended("--from", "x" * 501)
