"""A tree over sketches: leads a query to the few leaves that hold what is like it, however many sketches there are.

Each inner node has 16 centres, and each sketch goes to the nearest one. A leaf that overflows becomes an inner node. So the tree
follows from the sketches and their order alone: all sums are of whole numbers, which no machine and no number of threads
rounds otherwise. It lives in memory and is made anew in seconds; nothing of it is ever read from a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

LEAF = 1024
"""Sketches that a leaf holds before it is split, and that are looked at of one that cannot be."""
BRANCHES = 16
LEAVES = 96
"""That each query looks into, and nodes that it keeps in view on the way down."""
_ROUNDS = 5
_ALIKE = 0.98
"""Cosine with their mean, from which on the sketches of a leaf are all but equal: no centres would tell them apart."""


@dataclass(eq=False)
class _Node:
    """A leaf, or where it has children, an inner node."""

    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    """With room for more: the first `used` count."""
    used: int = 0
    all_alike: bool = False
    centres: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    children: list[_Node] = field(default_factory=list)

    def append(self, rows: np.ndarray) -> None:
        end = self.used + len(rows)
        if end > len(self.rows):
            self.rows = np.concatenate((self.rows[: self.used], np.empty(end, np.int32)))
        self.rows[self.used : end] = rows
        self.used = end


@dataclass(frozen=True)
class _View:
    """The nodes that queries have reached: which query, at which node, how near."""

    nodes: list[_Node]
    query: np.ndarray
    node: np.ndarray
    score: np.ndarray

    def by_node(self) -> Iterator[tuple[_Node, np.ndarray]]:
        """Each node that a query is at, with those queries."""
        order = np.argsort(self.node, kind="stable")
        bounds = np.searchsorted(self.node[order], np.arange(len(self.nodes) + 1))
        for at, node in enumerate(self.nodes):
            if bounds[at] < bounds[at + 1]:
                yield node, order[bounds[at] : bounds[at + 1]]


class SketchTree:
    """Numbers of rows of an array of sketches, int8 [rows, 64], which the caller keeps."""

    def __init__(self) -> None:
        self._root = _Node()

    def insert(self, sketches: np.ndarray, rows: np.ndarray) -> None:
        """Take in rows, int32, in their order. One by one or at once, the tree is the same."""
        work = [(self._root, rows)]
        while work:
            node, rows = work.pop()
            if not len(rows):
                continue
            if node.children:
                nearest = np.argmax(sketches[rows].astype(np.float32) @ node.centres.T, axis=1)
                for at, child in enumerate(node.children):
                    work.append((child, rows[nearest == at]))
                continue
            fits = len(rows) if node.all_alike else LEAF + 1 - node.used
            node.append(rows[:fits])
            if node.used > LEAF and not node.all_alike:
                _split(node, sketches)
                work.append((node, rows[fits:]))

    def leaves(self, queries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Where to look: the rows of a leaf, and the numbers of the queries, int8 [n, 64], that lead there."""
        numbers = np.arange(len(queries))
        whole = queries.astype(np.float32)
        view = _View([self._root], numbers, np.zeros_like(numbers), np.zeros(len(queries), np.float32))
        while any(node.children for node in view.nodes):
            view = _one_level_down(view, whole)
        for node, pairs in view.by_node():
            yield node.rows[: min(node.used, LEAF)], view.query[pairs]


def _one_level_down(view: _View, queries: np.ndarray) -> _View:
    """The children in place of each node that has some; of each query the nearest nodes alone."""
    nodes: list[_Node] = []
    query, node, score = [], [], []
    for parent, pairs in view.by_node():
        asking = view.query[pairs]
        if parent.children:
            near = queries[asking] @ parent.centres.T
            query.append(np.repeat(asking, len(parent.children)))
            node.append(np.tile(np.arange(len(parent.children)) + len(nodes), len(asking)))
            score.append(near.ravel())
            nodes += parent.children
        else:
            query.append(asking)
            node.append(np.full(len(asking), len(nodes)))
            score.append(view.score[pairs])
            nodes.append(parent)
    queries_, nodes_, scores = (np.concatenate(parts) for parts in (query, node, score))
    order = np.lexsort((nodes_, -scores, queries_))
    first = np.searchsorted(queries_[order], np.arange(len(queries)))
    order = order[np.arange(len(order)) - first[queries_[order]] < LEAVES]
    return _View(nodes, queries_[order], nodes_[order], scores[order])


def _split(node: _Node, sketches: np.ndarray) -> None:
    """Make an inner node of a leaf, by a few rounds of k-means; or mark it as one that cannot be split."""
    rows = node.rows[: node.used]
    part = sketches[rows].astype(np.float32)
    mean = _rounded(part.sum(axis=0, keepdims=True))
    lengths = np.sqrt(np.square(part).sum(axis=1)) * np.sqrt(np.square(mean).sum())
    if ((part @ mean.T)[:, 0] > _ALIKE * lengths).all():
        node.all_alike = True
        return
    centres = _rounded(part[:: len(part) // BRANCHES][:BRANCHES])
    nearest = np.argmax(part @ centres.T, axis=1)
    for _ in range(_ROUNDS):
        sums = [
            part[nearest == at].sum(axis=0) if (nearest == at).any() else centre
            for at, centre in enumerate(centres)
        ]
        centres = _rounded(np.stack(sums))
        nearest = np.argmax(part @ centres.T, axis=1)
    if (nearest == nearest[0]).all():
        node.all_alike = True
        return
    node.centres, node.children = centres, [_Node() for _ in centres]
    for at, child in enumerate(node.children):
        child.append(rows[nearest == at])
    node.rows, node.used = np.empty(0, np.int32), 0


def _rounded(vectors: np.ndarray) -> np.ndarray:
    """Vectors of one length, in whole numbers up to 127, so that products with sketches are exact."""
    lengths = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1, keepdims=True))
    return np.rint(vectors * (127 / np.maximum(lengths, 1e-9))).astype(np.float32)
