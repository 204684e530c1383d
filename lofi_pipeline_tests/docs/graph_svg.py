"""docs/asset-graph.svg: the asset graph from top to bottom, with what each asset is beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from xml.sax.saxutils import escape

import dagster as dg

from lofi_pipeline_tests.docs.assets_page import partition_of, specs, upstream

WIDTH, HEIGHT, ROW, GAP, MARGIN, LANE = 164, 44, 70, 36, 20, 14
TEXT_WIDTH, LETTERS = 400, 62
FILLS = ("#e7f0fb", "#fdf0dc", "#e6f5e9", "#f3e9fa", "#fde8e8", "#e3f4f4", "#f1f1ea", "#fbeaf2")
FONT = "font-family='Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif'"


def depths(deps: Mapping[str, list[str]]) -> dict[str, int]:
    """How many arrows lead to each asset on the longest way from the top; `deps` is in the order of the way."""
    depth: dict[str, int] = {}
    for name in deps:
        depth[name] = max((depth[up] + 1 for up in deps[name]), default=0)
    return depth


def longest_path(deps: Mapping[str, list[str]]) -> list[str]:
    """The assets of the longest way through the graph, from the top."""
    depth = depths(deps)
    path = [max(deps, key=lambda name: depth[name])]
    while deps[path[-1]]:
        path.append(max(deps[path[-1]], key=lambda name: depth[name]))
    return path[::-1]


def rows_of(deps: Mapping[str, list[str]]) -> dict[str, int]:
    """The row of each asset: its depth; what is made from nothing stands right above what is made from it."""
    rows = depths(deps)
    for name in deps:
        below = [rows[other] for other in deps if name in deps[other]]
        if not deps[name] and below:
            rows[name] = min(below) - 1
    return rows


class Layout:
    """Where each asset's box stands: the longest way in a column, the rest left of it."""

    def __init__(self, deps: Mapping[str, list[str]]) -> None:
        self.deps = deps
        self.rows = rows_of(deps)
        self.main = longest_path(deps)
        aside = [name for name in deps if name not in self.main]
        beside = {name: [other for other in aside if self.rows[other] == self.rows[name]] for name in aside}
        most = max((len(each) for each in beside.values()), default=0)
        self.column = dict.fromkeys(self.main, most) | {
            name: most - 1 - beside[name].index(name) for name in aside
        }
        self.lanes = self._lanes()

    def x(self, name: str) -> int:
        return MARGIN + self.column[name] * (WIDTH + GAP)

    def y(self, name: str) -> int:
        return MARGIN + self.rows[name] * ROW

    @property
    def text_x(self) -> int:
        """Where the sentences beside the boxes begin."""
        lanes = 1 + max(self.lanes.values(), default=-1)
        return self.x(self.main[0]) + WIDTH + lanes * LANE + 24

    def _lanes(self) -> dict[tuple[str, str], int]:
        """A lane right of the column for each arrow that passes boxes by; arrows that overlap get lanes of their own."""
        passing = [
            (up, name)
            for name in self.main
            for up in self.deps[name]
            if up in self.main and self.rows[name] - self.rows[up] > 1
        ]
        lanes: dict[tuple[str, str], int] = {}
        for up, name in sorted(passing, key=lambda edge: self.rows[edge[0]]):
            taken = {
                lane
                for (other_up, other), lane in lanes.items()
                if self.rows[other] >= self.rows[up] and self.rows[other_up] <= self.rows[name]
            }
            lanes[up, name] = next(lane for lane in range(len(passing)) if lane not in taken)
        return lanes


def asset_graph_svg() -> str:
    """The whole picture."""
    known = specs()
    layout = Layout({name: upstream(spec) for name, spec in known.items()})
    groups = list(dict.fromkeys(str(spec.group_name) for spec in known.values()))
    width = layout.text_x + TEXT_WIDTH + MARGIN
    height = 2 * MARGIN + max(layout.rows.values()) * ROW + HEIGHT
    edges = [_edge(layout, up, name) for name in layout.deps for up in layout.deps[name]]
    boxes = [_box(layout, name, spec, groups) for name, spec in known.items()]
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' {FONT}>",
            "<title>The asset graph</title>",
            "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
            "<path d='M0,0 L8,4 L0,8 Z' fill='#7a8594'/></marker></defs>",
            f"<rect width='{width}' height='{height}' rx='8' fill='#ffffff'/>",
            *edges,
            *boxes,
            "</svg>\n",
        ]
    )


def _edge(layout: Layout, up: str, name: str) -> str:
    x, y, to_x, to_y = layout.x(up), layout.y(up), layout.x(name), layout.y(name)
    if (lane := layout.lanes.get((up, name))) is not None:
        start, end = y + HEIGHT * 3 // 4, to_y + HEIGHT // 4
        far, right = x + WIDTH + (lane + 1) * LANE, x + WIDTH
        path = f"M{right},{start} H{far - 6} Q{far},{start} {far},{start + 6} V{end - 6} Q{far},{end} {far - 6},{end} H{right}"
    elif x == to_x:
        path = f"M{x + WIDTH // 2},{y + HEIGHT} V{to_y}"
    else:
        start, end = y + HEIGHT // 2, to_y + HEIGHT // 2
        middle = x + WIDTH // 2
        path = f"M{middle},{y + HEIGHT} V{end - 6} Q{middle},{end} {middle + 6},{end} H{to_x}"
        if start == end:
            path = f"M{x + WIDTH},{start} H{to_x}"
    return f"<path d='{path}' fill='none' stroke='#7a8594' stroke-width='1.4' marker-end='url(#head)'/>"


def _box(layout: Layout, name: str, spec: dg.AssetSpec, groups: list[str]) -> str:
    x, y = layout.x(name), layout.y(name)
    fill = FILLS[groups.index(str(spec.group_name)) % len(FILLS)]
    below = partition_of(spec) or str(spec.group_name)
    lines = [
        f"<rect x='{x}' y='{y}' width='{WIDTH}' height='{HEIGHT}' rx='7' fill='{fill}' stroke='#7a8594'/>",
        f"<text x='{x + WIDTH / 2:g}' y='{y + 19}' font-size='13.5' font-weight='600' fill='#1d2530' "
        f"text-anchor='middle'>{escape(name)}</text>",
        f"<text x='{x + WIDTH / 2:g}' y='{y + 35}' font-size='11' fill='#5a6472' text-anchor='middle'>{escape(below)}</text>",
    ]
    if name in layout.main:
        said = textwrap.wrap((spec.description or "").split("\n\n")[0], LETTERS)[:2]
        top = y + HEIGHT / 2 + 4 - 7.5 * (len(said) - 1)
        lines += [
            f"<text x='{layout.text_x}' y='{top + 15 * number:g}' font-size='12' fill='#38424f'>{escape(line)}</text>"
            for number, line in enumerate(said)
        ]
    return "\n".join(lines)
