"""SimpleTuner: captions in one file of JSON Lines, lyrics beside each track, and the data loader's configuration for both.

Written against bghira/SimpleTuner (helpers/metadata/backends/parquet.py and base.py). Its other way, a caption in a bare .txt, is
what other trainers take for lyrics.
"""

from __future__ import annotations

from lofi_pipeline.exporting.formats.format import Contents, Format, TextFiles, json_line, json_text

CAPTIONS = "captions.jsonl"
BACKEND = "multidatabackend.json"


def _files(contents: Contents) -> TextFiles:
    rows = [
        {
            "id": song.name,
            "caption": song.caption,
            "duration": song.seconds,
            "bpm": song.item.bpm,
            "keyscale": song.item.keyscale,
            "timesignature": song.metre,
            "language": song.item.language,
            **song.credits,
        }
        for song in contents.songs
    ]
    yield CAPTIONS, "".join(map(json_line, rows))
    for song in contents.songs:
        yield f"{song.name}_lyrics.txt", song.lyrics  # without a file the embedding of the lyrics is zeros
    audio = {
        "id": contents.dataset.dataset_id,
        "type": "local",
        "dataset_type": "audio",
        "instance_data_dir": str(contents.folder),
        "metadata_backend": "parquet",
        "caption_strategy": "parquet",
        "parquet": {
            "path": str(contents.folder / CAPTIONS),
            "filename_column": "id",
            "caption_column": "caption",
            "audio_duration_column": "duration",
            "identifier_includes_extension": False,
        },
        "audio": {"lyrics_filename_format": "{filename}_lyrics.txt"},
        "cache_dir_vae": f"cache/vae/{{model_family}}/{contents.dataset.dataset_id}",
    }
    texts = {
        "id": "text-embeds",
        "type": "local",
        "dataset_type": "text_embeds",
        "default": True,
        "cache_dir": "cache/text/{model_family}",
    }
    yield BACKEND, json_text([audio, texts])


SIMPLETUNER = Format(
    reader="SimpleTuner",
    start='`"data_backend_config": "{folder}/multidatabackend.json"` in its config.json',
    lost="tempo, key, metre and language as fields: captions.jsonl has them, it does not read them; the tempo stands among the tags.",
    files=_files,
)
