"""A LightGBM booster read from its own text: the trees, and the cells of each feature that their splits tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import lightgbm
import numpy as np
import numpy.typing as npt

from tierwise.errors import UsageError
from tierwise.learning.encoding import Floats

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero: every value from -ZERO to ZERO."""

FEW_EDGES = 128
"""Up to so many, comparing with each is faster than a binary search."""

BELOW_ZERO = float(np.nextafter(-ZERO, -np.inf))

_ASKED = "The contributions of a LightGBM booster were asked for"

_CATEGORY, _DEFAULT_LEFT = 1, 2
_NEVER, _ZERO, _NAN = 0, 1, 2


@dataclass(frozen=True)
class Cells:
    """Where a feature's values fall; inside a cell, no split of the booster tells two values apart.

    Cell 0 holds what is missing; for a category also what no split names: unseen codes and negative ones.
    edges: of a number, the splits in rising order: cell i + 1 holds the values above edges[i - 1], up to and with
    edges[i]. Of a category, the codes that splits name: cell i + 1 holds edges[i].
    """

    edges: Floats
    category: bool

    def __len__(self) -> int:
        return len(self.edges) + (1 if self.category else 2)

    def of(self, values: Floats) -> Ints:
        """The cell of each value."""
        if not self.category and len(self.edges) <= FEW_EDGES:
            cell = (~np.isnan(values)).astype(np.uint8)
            for edge in self.edges:
                cell += values > edge
            return cell.astype(np.int64)
        if not self.category:
            return np.where(np.isnan(values), 0, np.searchsorted(self.edges, values) + 1)
        whole = np.trunc(values)
        at = np.searchsorted(self.edges, whole)
        known = np.append(self.edges, np.nan)[at] == whole
        return np.where(known, at + 1, 0)

    def samples(self) -> Floats:
        """One value of each cell."""
        return np.concatenate([[np.nan], self.edges, [] if self.category else [np.inf]])


@dataclass(frozen=True)
class Step:
    """One decision on the way to a leaf: a node, and whether the left branch was taken."""

    node: int
    left: bool


@dataclass(frozen=True)
class Tree:
    """One tree as arrays over its nodes and its leaves; the root is node 0, and a child below 0 is the leaf ~child.

    goes_left: by node, which cells of its feature go left. counts: the training rows of each node and each leaf.
    """

    features: Ints
    goes_left: tuple[Bools, ...]
    children: Ints
    node_counts: Floats
    leaf_counts: Floats
    leaf_values: Floats

    @property
    def expected(self) -> float:
        """The mean of the leaves' values over the training rows, as LightGBM takes it."""
        if not len(self.features):
            return float(self.leaf_values[0])
        return float(self.leaf_counts / self.node_counts[0] @ self.leaf_values)

    def cover(self, step: Step) -> float:
        """The part of a node's training rows that takes this step."""
        child = self.children[step.node, 0 if step.left else 1]
        count = self.node_counts[child] if child >= 0 else self.leaf_counts[~child]
        return float(count / self.node_counts[step.node])

    def nodes_below(self) -> list[int]:
        """How many nodes, itself among them, stand at or under each node."""
        found = [1] * len(self.features)
        for node in reversed(range(len(found))):
            found[node] += sum(found[child] for child in self.children[node].tolist() if child >= 0)
        return found

    def below(self, top: int) -> Iterator[tuple[int, tuple[Step, ...]]]:
        """The leaves under a node, left to right, each with the steps from there; a leaf has itself under it."""
        stack: list[tuple[int, tuple[Step, ...]]] = [(top, ())]
        while stack:
            child, steps = stack.pop()
            if child < 0:
                yield ~child, steps
            else:
                left, right = (int(c) for c in self.children[child])
                stack += [(right, (*steps, Step(child, False))), (left, (*steps, Step(child, True)))]


@dataclass(frozen=True)
class Forest:
    """All trees of a booster that split, and what the others add to every row.

    cells: one for each feature, in the booster's order; None for a feature that no tree reads.
    """

    cells: tuple[Cells | None, ...]
    trees: tuple[Tree, ...]
    constant: float

    @classmethod
    def read(cls, booster: lightgbm.Booster) -> Forest:
        """The trees that `booster.predict` uses.

        Raises
        ------
        UsageError : the booster has more than one class, or linear models in its leaves.
        """
        head, *blocks = booster.model_to_string().split("\nend of trees")[0].split("\nTree=")
        header, trees = _fields(head), [_fields(block) for block in blocks]
        if header["num_tree_per_iteration"] != "1":
            classes = header["num_tree_per_iteration"]
            raise UsageError(_ASKED, found=f"it has {classes} classes", do="Train one booster for each outcome")
        if any(tree.get("is_linear", "0") != "0" for tree in trees):
            found = "its leaves hold linear models, which have no exact contributions"
            raise UsageError(_ASKED, found=found, do="Train it without linear_tree")
        raw = [_RawTree.of(tree) for tree in trees]
        cells = _cells(raw, int(header["max_feature_idx"]) + 1)
        constant = sum(float(tree["leaf_value"]) for tree in trees if tree["num_leaves"] == "1")
        return cls(cells, tuple(tree.placed(cells) for tree in raw if len(tree.features)), constant)

    @property
    def expected(self) -> float:
        """The mean log-odds over training rows, as the trees' covers count them."""
        return self.constant + sum(tree.expected for tree in self.trees)

    def sizes(self, features: Sequence[int]) -> tuple[int, ...]:
        """The number of cells of each of these features, which trees read."""
        return tuple(len(cells) for f in features if (cells := self.cells[f]) is not None)


@dataclass(frozen=True)
class Split:
    """A node's question, as LightGBM writes it: the left codes of a category, or a number's threshold."""

    codes: frozenset[int] | None
    threshold: float
    default_left: bool
    missing: int

    def goes_left(self, values: Floats) -> Bools:
        """What LightGBM decides of each value: `Tree::NumericalDecision` and `Tree::CategoricalDecision`."""
        if self.codes is not None:
            return np.isin(values, list(self.codes))
        values = values if self.missing == _NAN else np.where(np.isnan(values), 0.0, values)
        absent = np.isnan(values) if self.missing == _NAN else np.abs(values) <= ZERO
        if self.missing == _NEVER:
            return np.asarray(values <= self.threshold)
        return np.where(absent, self.default_left, values <= self.threshold)

    def edges(self) -> list[float]:
        """Where the answer may change."""
        if self.codes is not None:
            return sorted(map(float, self.codes))
        return [self.threshold, *([BELOW_ZERO, ZERO] if self.missing == _ZERO else [])]


@dataclass(frozen=True)
class _RawTree:
    """A tree whose splits have not been placed on cells."""

    features: Ints
    splits: tuple[Split, ...]
    children: Ints
    node_counts: Floats
    leaf_counts: Floats
    leaf_values: Floats

    @classmethod
    def of(cls, fields: dict[str, str]) -> _RawTree:
        kinds, thresholds = _ints(fields["decision_type"]), _floats(fields["threshold"])
        bounds, words = _ints(fields.get("cat_boundaries", "")), _ints(fields.get("cat_threshold", ""))
        codes = [_codes(words[start:end]) for start, end in pairwise(bounds)]
        splits = tuple(
            Split(
                codes[int(threshold)] if kind & _CATEGORY else None,
                _beside_zero(float(threshold)),
                bool(kind & _DEFAULT_LEFT),
                (int(kind) >> 2) & 3,
            )
            for kind, threshold in zip(kinds, thresholds, strict=True)
        )
        children = np.column_stack([_ints(fields["left_child"]), _ints(fields["right_child"])])
        counts = _floats(fields["internal_count"]), _floats(fields["leaf_count"])
        if (counts[0] <= 0).any():
            do = "Use the text that LightGBM itself wrote after training"
            raise UsageError(_ASKED, found="its text does not count the training rows of every node", do=do)
        return cls(_ints(fields["split_feature"]), splits, children, *counts, _floats(fields["leaf_value"]))

    def placed(self, cells: Sequence[Cells | None]) -> Tree:
        asked = zip(self.features, self.splits, strict=True)
        goes_left = tuple(split.goes_left(c.samples()) for f, split in asked if (c := cells[f]) is not None)
        return Tree(self.features, goes_left, self.children, self.node_counts, self.leaf_counts, self.leaf_values)


def _cells(trees: Sequence[_RawTree], width: int) -> tuple[Cells | None, ...]:
    asked: list[set[Split]] = [set() for _ in range(width)]
    for tree in trees:
        for feature, split in zip(tree.features, tree.splits, strict=True):
            asked[feature].add(split)
    return tuple(_cells_of(feature, splits) if splits else None for feature, splits in enumerate(asked))


def _cells_of(feature: int, splits: set[Split]) -> Cells:
    kinds = {split.codes is not None for split in splits}
    if len(kinds) > 1:
        raise UsageError(
            _ASKED,
            found=f"its trees read feature {feature} now as a number, now as a category",
            do="Train all rounds with the same categorical features",
        )
    return Cells(np.unique([edge for split in splits for edge in split.edges()]), kinds.pop())


def _beside_zero(threshold: float) -> float:
    """The threshold that parts raw values as this one parts them once LightGBM has read near-zeros as zero."""
    if -ZERO <= threshold <= ZERO:
        return ZERO if threshold >= 0 else BELOW_ZERO
    return threshold


def _codes(words: Ints) -> frozenset[int]:
    """The members of a set written as bits of 32-bit words."""
    return frozenset(32 * at + bit for at, word in enumerate(words) for bit in range(32) if int(word) >> bit & 1)


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _ints(words: str) -> Ints:
    return np.array(words.split(), dtype=np.int64)


def _floats(words: str) -> Floats:
    return np.array(words.split(), dtype=np.float64)
