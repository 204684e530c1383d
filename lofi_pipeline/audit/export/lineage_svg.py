"""The lineage as a picture: sources, data set version, base model and training, checkpoint, scores. Inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lofi_pipeline.audit.export.escape import visible
from lofi_pipeline.audit.export.format import count, hours, short
from lofi_pipeline.audit.export.scores import score_table
from lofi_pipeline.entities import AuditReport, SourceRow, SubjectKind

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_SOURCES = 10
WIDTH, BOX_WIDTH, LINE = 960, 208, 15
COLUMNS = (8, 256, 504, 744)
TEXT_LENGTH = 31


@dataclass(frozen=True)
class Box:
    """A box of the picture: its place, a title, and lines under it."""

    x: int
    y: int
    title: str
    lines: tuple[str, ...]
    refused: bool = False

    @property
    def height(self) -> int:
        """In user units."""
        return 30 + LINE * len(self.lines)

    @property
    def middle(self) -> int:
        """Where arrows meet it."""
        return self.y + self.height // 2


def lineage_svg(report: AuditReport) -> Markup:
    """SVG markup, everything in it escaped; boxes of sources that may not be used are dashed and say so."""
    from markupsafe import Markup

    sources = _source_boxes(report.sources)
    bottom = max([box.y + box.height for box in sources], default=60)
    version = _box(
        1,
        max(8, bottom // 2 - 90),
        "Data set version",
        report.dataset.dataset_id,
        short(report.dataset.hash),
        count(report.dataset.track_count, "track"),
        hours(report.seconds),
    )
    boxes, arrows = [*sources, version], [(box, version) for box in sources]
    if report.subject.kind is SubjectKind.CHECKPOINT:
        following = _training_boxes(report, version)
        boxes += following
        base, training, checkpoint, *scores = following
        arrows += [(version, training), (base, training), (training, checkpoint)]
        arrows += [(checkpoint, box) for box in scores]
    height = max(box.y + box.height for box in boxes) + 10
    shapes = [_arrow(start, end) for start, end in arrows] + [_drawn(box) for box in boxes]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="picture-title picture-text">'
        '<title id="picture-title">Lineage of {name}</title><desc id="picture-text">{text}</desc>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#444"/></marker></defs>{shapes}</svg>'
    ).format(
        width=WIDTH,
        height=height,
        name=visible(report.subject.name),
        text=f"{count(len(report.sources), 'source')} feed the data set version {visible(report.dataset.dataset_id)}.",
        shapes=Markup("").join(shapes),
    )


def _source_boxes(rows: list[SourceRow]) -> list[Box]:
    shown = rows if len(rows) <= MOST_SOURCES else rows[: MOST_SOURCES - 1]
    boxes: list[Box] = []
    y = 8
    for row in shown:
        refused = not row.verdict_now.permitted or row.withdrawn is not None
        lines = [row.record.provider, row.verdict_now.licence, count(row.tracks, "track")]
        if refused:
            lines.append("WITHDRAWN" if row.withdrawn else "NOT PERMITTED today")
        boxes.append(_box(0, y, row.record.source_id, *lines, refused=refused))
        y += boxes[-1].height + 10
    if len(shown) < len(rows):
        rest = rows[len(shown) :]
        refused = sum(not row.verdict_now.permitted or row.withdrawn is not None for row in rest)
        lines = [count(sum(row.tracks for row in rest), "track")]
        if refused:
            lines.append(f"{refused} NOT PERMITTED today")
        boxes.append(_box(0, y, f"and {len(rest)} more sources", *lines, refused=refused > 0))
    return boxes


def _training_boxes(report: AuditReport, version: Box) -> list[Box]:
    lineage = report.subject.lineage
    base = report.base
    base_box = _box(
        2,
        8,
        "Base model",
        base.facts.name if base else "not recorded",
        short(base.facts.sha256) if base else "",
        f"licence {base.licence or 'not known'}" if base else "",
    )
    training = _box(
        2,
        max(version.y, base_box.y + base_box.height + 24),
        "Training",
        f"preset {lineage.preset}" if lineage else "not recorded",
        f"configuration {short(lineage.config_hash)}" if lineage else "",
    )
    record = report.subject.record
    checkpoint = _box(
        3,
        training.y,
        "Checkpoint",
        report.subject.name,
        f"step {record.checkpoint.step:,}" if record else "",
        short(report.subject.hash),
    )
    table = score_table(report)
    if table is None:
        return [base_box, training, checkpoint]
    row = table.rows[0]
    scores = _box(
        3,
        checkpoint.y + checkpoint.height + 24,
        "Scores",
        f"{table.names.fad} {row.fad}",
        f"{table.names.clap} {row.clap}",
    )
    return [base_box, training, checkpoint, scores]


def _box(column: int, y: int, title: str, *lines: str, refused: bool = False) -> Box:
    return Box(COLUMNS[column], y, title, tuple(line for line in lines if line), refused)


def _fitting(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= TEXT_LENGTH else shown[: TEXT_LENGTH - 1] + "…"


def _drawn(box: Box) -> Markup:
    from markupsafe import Markup

    stroke = Markup('stroke="#a11" stroke-dasharray="6 3"') if box.refused else Markup('stroke="#444"')
    lines = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(box.x + 10, box.y + 34 + LINE * place, _fitting(line))
        for place, line in enumerate(box.lines)
    )
    return Markup(
        '<g><title>{full}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="#fff" {stroke}/>'
        '<text x="{text_x}" y="{text_y}" class="box-title">{title}</text>{lines}</g>'
    ).format(
        full=visible(" · ".join([box.title, *box.lines])),
        x=box.x,
        y=box.y,
        width=BOX_WIDTH,
        height=box.height,
        stroke=stroke,
        text_x=box.x + 10,
        text_y=box.y + 19,
        title=_fitting(box.title),
        lines=lines,
    )


def _arrow(start: Box, end: Box) -> Markup:
    from markupsafe import Markup

    if start.x == end.x:
        x = start.x + BOX_WIDTH // 2
        path = f"M{x} {start.y + start.height}L{x} {end.y}"
    else:
        begin, stop = start.x + BOX_WIDTH, end.x
        half = (begin + stop) // 2
        path = f"M{begin} {start.middle}C{half} {start.middle} {half} {end.middle} {stop} {end.middle}"
    return Markup('<path d="{}" fill="none" stroke="#444" marker-end="url(#tip)"/>').format(path)
