"""What a file below data/raw is, by its name: audio that is taken, a known companion of audio, or something that is refused.

Every file is one of the three. Where files belong is decided in layout.py, what audio really holds when it is decoded.
"""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from pathlib import PurePosixPath

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.listing import is_named_like_audio

HIDDEN = "hidden"

_COMPANIONS = {
    "lyrics": ".lrc .srt .vtt .ass",
    "text": ".txt .md .rst .pdf .rtf .doc .docx .odt .pages .html .htm .mht .eml .msg .nfo .url .webloc .csv .tsv .xls .xlsx",
    "picture": ".jpg .jpeg .jfif .png .gif .webp .bmp .tif .tiff .heic .heif .avif .jxl .svg .ico .psd",
    "playlist": ".cue .m3u .m3u8 .pls .xspf .wpl .asx .toc",
    "log": ".log .accurip .sfv .md5 .sha1 .sha256 .sha512 .ffp .st5 .par2 .asc .sig",
    "data": ".json .jsonl .xml .yaml .yml .toml .ini .db .xmp .bak",
    "analysis": ".asd .reapeaks .sfk .sfap0 .pkf .pk .ovw .wfm .peak .gpk .mrk .clm",
}
_COMPANION_OF_SUFFIX = {suffix: kind for kind, suffixes in _COMPANIONS.items() for suffix in suffixes.split()}
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "folder.db"}
_TEXT_FILES = {"license", "licence", "readme", "copying", "changelog", "authors"}
_SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"}

_NOTES = "holds notes, not sound; convert it: have it played and exported as WAV or FLAC"
_PROTECTED = "is protected against copying (DRM); ask for a copy without it, and convert that to FLAC or WAV"
_NOT_READ = "is a kind of audio or film that is not read; convert it to FLAC or WAV"
_ARCHIVE = "is an archive; unpack it into the drop, and remove it"
_UNFINISHED = "is a download or copy that has not ended; wait for it, or copy the file again"
_PROJECT = "is the project of a music program; export its mix as WAV or FLAC"
_REFUSED = {
    _NOTES: ".mid .midi .kar .rmi .mod .xm .it .s3m .mtm .musicxml .mxl .mscz .gp .gp3 .gp4 .gp5 .gpx .sib",
    _PROTECTED: ".m4p .aax .aa .aaxc .wmdrm .m4bp",
    _NOT_READ: (
        ".ac3 .eac3 .ec3 .dts .dtshd .mlp .thd .amr .awb .ra .rm .ram .rmvb .voc .ofr .ofs .shn .la .sd2 .qoa .oma .aa3 .at3 .at9"
        " .vqf .gsm .sln .raw .pcm .mp1 .mpa .mp+ .vox .dss .dvf .8svx .nsf .spc .sid .vgm .vgz .psf .cda .adx .bonk .optimfrog"
        " .avi .mpg .mpeg .vob .wmv .flv .f4v .ts .m2ts .mts .mxf .divx .rec .swf"
    ),
    _ARCHIVE: ".zip .rar .7z .tar .gz .tgz .bz2 .tbz .xz .txz .zst .lz .lzh .lha .ace .cab .dmg .iso .img .nrg .sit .sitx .jar .cbz",
    _UNFINISHED: ".part .partial .crdownload .download .tmp .temp .opdownload .aria2 .!ut .!qb .bc! .dtapart .filepart",
    _PROJECT: (
        ".als .alp .flp .ptx .ptf .pts .cpr .npr .rpp .logic .logicx .band .aup .aup3 .sesx .ses .reason .rns .song .mmp .mmpz"
        " .ardour .bwproject .xrns .cwp .wrk .omf .aaf .nki .nkx .sf2 .sfz .vst3 .fxp .adg .adv .xpj"
    ),
}
_REASON_OF_SUFFIX = {suffix: reason for reason, suffixes in _REFUSED.items() for suffix in suffixes.split()}
_KINDS = ", ".join(sorted(suffix.removeprefix(".") for suffix in AUDIO_SUFFIXES))


def nfc(name: str) -> str:
    """A name as it compares: macOS writes an accent as a letter of its own."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_meant_as_source_json(name: str) -> bool:
    """Whether a file's own name is source.json in another spelling: Source.json, source.json.txt, sources.json, source (1).json."""
    own = PurePosixPath(name).name.casefold()
    stem, dot, _ = own.partition(".js")
    return bool(dot) and stem.startswith("so") and bool(get_close_matches(stem, ["source"], cutoff=0.7))


def companion_kind(name: str) -> str | None:
    """What kind of companion of audio a file of this name is (below a drop); None for anything else."""
    path = PurePosixPath(name)
    if not _SYSTEM_FOLDERS.isdisjoint(path.parts) or path.name.casefold() in _SYSTEM_FILES:
        return "system"
    if path.name.startswith("."):
        return None if is_named_like_audio(name) and not path.name.startswith("._") else HIDDEN
    if is_meant_as_source_json(name):
        return None
    if path.name.casefold() in _TEXT_FILES:
        return "text"
    return _COMPANION_OF_SUFFIX.get(path.suffix.casefold())


def why_refused(name: str) -> str:
    """Why a file that is neither audio nor a companion is not taken, and what to do."""
    path = PurePosixPath(name)
    if path.name.startswith("."):
        return "has a name that begins with a dot, like files that are still being copied; rename it if it is to be taken"
    if is_meant_as_source_json(name):
        return f"is not read: the facts of a drop stand in a file {SOURCE_JSON} that lies directly in it"
    if reason := _REASON_OF_SUFFIX.get(path.suffix.casefold()):
        return reason
    return (
        f"is no kind of audio that is taken ({_KINDS}) and nothing that goes with audio; convert it to FLAC or WAV if it is music,"
        " else take it out of the drop"
    )


def hint_for(name: str, present: list[str]) -> str | None:
    """The file of a drop that a name in source.json most likely means: other case, another folder or kind, a slip of the pen."""
    wanted = nfc(name).casefold()
    own, stem = PurePosixPath(wanted).name, PurePosixPath(wanted).stem
    folded = {nfc(other).casefold(): other for other in present}
    if wanted in folded:
        return folded[wanted]
    for key, other in folded.items():
        if PurePosixPath(key).name == own:
            return other
    for key, other in folded.items():
        if PurePosixPath(key).stem == stem:
            return other
    close = get_close_matches(wanted, list(folded), n=1, cutoff=0.85) if len(folded) <= 1000 else []
    return folded[close[0]] if close else None
