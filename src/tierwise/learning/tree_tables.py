"""Exact contributions of a LightGBM booster, looked up: the path-dependent TreeSHAP that `pred_contrib` computes.

What a leaf adds to a row depends only on which of the k features on its path let the row pass: k bits, 2^k cases. So
the shares of neighbouring leaves are added up once, in a table over their bits, and a row is answered by one look-up
for each table and feature. Trees of one feature, or of two, are added up over the cells of all trees that read these
features. A path of too many features for a table is worked out for the cases that the rows at hand hold.

All products are of numbers from 0 to 1 and nothing is divided, so that rounding does not grow with the length of a
path; that of `pred_contrib` does (1e-12 at 30 features on one path, 1e-4 at 60).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import lightgbm
import numpy as np

from tierwise.errors import ContractError, UsageError
from tierwise.learning.encoding import Floats
from tierwise.learning.forest import Bools, Cells, Forest, Ints, Step, Tree
from tierwise.learning.lookups import AskedTree, Grid, Group, Index, LongPath, Question, cases, shares

MOST_BITS, LEAST_BITS = 12, 6
"""A table has at most 2^MOST_BITS cases; fewer, down to 2^LEAST_BITS, where the tables would outgrow TABLE_BYTES."""

TABLE_BYTES = 1 << 28

GRID_CELLS = 1 << 14
"""The most cells of a table over two features."""

ROWS = 16384
"""Rows worked on at a time; beside the result, each thread holds about 20 bytes x ROWS x features."""


@dataclass(frozen=True)
class PointTable:
    """What one feature adds to the log-odds, as a step function; its mean over training rows is 0.

    edges: of a number, in rising order: values[i] holds above edges[i - 1], up to and with edges[i], and the last value
    above all edges. Of a category: the codes, values[i] being that of edges[i]. missing: the value where the feature is
    missing, and for a category also that of all other codes.
    """

    category: bool
    edges: Floats
    values: Floats
    missing: float

    def of(self, encoded: Floats) -> Floats:
        """The log-odds that each of a feature's encoded values adds."""
        return np.append(self.missing, self.values)[Cells(self.edges, self.category).of(encoded)]


@dataclass(frozen=True)
class TreeTables:
    """All that is needed to tell a booster's contributions of any row.

    base: the expected log-odds over training rows, LightGBM's last column. cells: one for each feature, None where no
    tree reads it.
    """

    base: float
    cells: tuple[Cells | None, ...]
    grids: tuple[Grid, ...]
    trees: tuple[AskedTree, ...]

    @classmethod
    def from_booster(cls, booster: lightgbm.Booster) -> TreeTables:
        """Build the tables, of TABLE_BYTES at most where LEAST_BITS allow it.

        Raises
        ------
        UsageError : the booster has more than one class, or linear models in its leaves.
        """
        forest = Forest.read(booster)
        by_features: dict[tuple[int, ...], list[Tree]] = {}
        for tree in forest.trees:
            by_features.setdefault(tuple(sorted({int(f) for f in tree.features})), []).append(tree)
        gridded = {f: trees for f, trees in sorted(by_features.items()) if _pays(forest, f, trees)}
        others = [tree for f, trees in sorted(by_features.items()) if f not in gridded for tree in trees]
        bits = next((b for b in range(MOST_BITS, LEAST_BITS, -1) if _bytes(others, b) <= TABLE_BYTES), LEAST_BITS)
        return cls(
            base=forest.expected,
            cells=forest.cells,
            grids=tuple(_grid(features, forest.sizes(features), trees) for features, trees in gridded.items()),
            trees=tuple(_asked(tree, bits) for tree in others),
        )

    @property
    def additive(self) -> bool:
        """Whether every tree reads one feature only."""
        return not self.trees and all(len(grid.features) == 1 for grid in self.grids)

    @property
    def nbytes(self) -> int:
        """The bytes that the tables take."""
        groups = [part.table for tree in self.trees for part in tree.parts if isinstance(part, Group)]
        return sum(table.nbytes for table in [*groups, *(grid.table for grid in self.grids)])

    def contributions(self, encoded: Floats, threads: int = 1) -> Floats:
        """What each feature adds to each row's log-odds, rows x features; the same bits for any number of threads.

        encoded: rows x features, in the booster's order, as `booster.predict` takes them.

        Raises
        ------
        ContractError : the rows have another number of features.
        """
        if threads < 1:
            raise UsageError("Contributions were asked for", found=f"{threads} threads", do="Give 1 or more")
        if encoded.ndim != 2 or encoded.shape[1] != len(self.cells):
            asked = f"The booster reads rows of {len(self.cells)} features"
            raise ContractError(asked, found=f"an array of shape {encoded.shape}")
        found = np.empty(encoded.shape)

        def work(start: int) -> None:
            found[start : start + ROWS] = self._some(encoded[start : start + ROWS]).T

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(0, len(encoded), ROWS)))
        return found

    def log_odds(self, encoded: Floats, threads: int = 1) -> Floats:
        """The booster's raw score of each row: the base and the contributions, added up."""
        return np.asarray(self.base + self.contributions(encoded, threads).sum(axis=1))

    def point_tables(self) -> tuple[PointTable, ...]:
        """One step function for each feature of an additive booster; a feature that no tree reads adds 0 everywhere.

        Raises
        ------
        UsageError : some tree reads more than one feature.
        """
        if not self.additive:
            asked = "Point tables of a LightGBM booster were asked for"
            do = "Train it with interaction_constraints of one feature each"
            raise UsageError(asked, found="some of its trees read more than one feature", do=do)
        tables = {grid.features[0]: grid.table[0] for grid in self.grids}
        found = []
        for feature, cells in enumerate(self.cells):
            known = cells or Cells(np.empty(0), category=False)
            missing, *values = tables.get(feature, np.zeros(len(known))).tolist()
            found.append(PointTable(known.category, known.edges, np.array(values), missing))
        return tuple(found)

    def _some(self, encoded: Floats) -> Floats:
        most = max((len(c) for c in self.cells if c is not None), default=0)
        columns = np.ascontiguousarray(encoded.T)
        codes = np.empty(columns.shape, dtype=np.int16 if most < 1 << 15 else np.int32)
        for cells, column, code in zip(self.cells, columns, codes, strict=True):
            if cells is not None:
                code[:] = cells.of(column) - 1
        found = np.zeros(columns.shape)
        for grid in self.grids:
            grid.add(codes, found)
        for tree in self.trees:
            tree.add(codes, found)
        return found


def point_tables(booster: lightgbm.Booster) -> tuple[PointTable, ...]:
    """The step function of each feature of a booster whose trees read one feature each; see `PointTable`."""
    return TreeTables.from_booster(booster).point_tables()


@dataclass(frozen=True)
class _Leaf:
    """A leaf: the steps of its path by feature, the part of training rows that pass each feature's, and the value."""

    steps: Mapping[int, Sequence[Step]]
    covers: Floats
    value: float


def _leaves(tree: Tree) -> list[_Leaf]:
    found = {}
    for number, steps in tree.below(0):
        by_feature = _by_feature(tree, steps)
        covers = [prod(tree.cover(step) for step in own) for own in by_feature.values()]
        found[number] = _Leaf(by_feature, np.array(covers), float(tree.leaf_values[number]))
    return [found[number] for number in range(len(found))]


def _by_feature(tree: Tree, steps: Sequence[Step]) -> dict[int, list[Step]]:
    found: dict[int, list[Step]] = {}
    for step in steps:
        found.setdefault(int(tree.features[step.node]), []).append(step)
    return found


def _shares(leaves: Sequence[_Leaf], most: int) -> dict[int, Floats]:
    """By leaf whose path reads at most so many features: the shares, features x cases."""
    found: dict[int, Floats] = {}
    for bits in sorted({len(leaf.covers) for leaf in leaves if len(leaf.covers) <= most}):
        alike = [number for number, leaf in enumerate(leaves) if len(leaf.covers) == bits]
        covers = np.stack([leaves[number].covers for number in alike], axis=1)[..., None]
        values = np.array([leaves[number].value for number in alike])[:, None]
        all_shares = shares(cases(bits)[:, None], covers, values)
        found |= {number: all_shares[:, i] for i, number in enumerate(alike)}
    return found


def _case(passed: Sequence[Bools], shape: tuple[int, ...]) -> Ints:
    """The number of the case, as `cases` counts them."""
    found = np.zeros(shape, dtype=np.int64)
    for bit in passed:
        found = found << 1 | bit
    return found


def _pays(forest: Forest, features: tuple[int, ...], trees: Sequence[Tree]) -> bool:
    """Whether trees of these features are best added up over cells: if of one, or of two and more than a table."""
    if len(features) > 2:
        return False
    more = len(trees) > 1 or len(trees[0].features) > MOST_BITS
    return len(features) == 1 or (more and prod(forest.sizes(features)) <= GRID_CELLS)


def _grid(features: tuple[int, ...], sizes: tuple[int, ...], trees: Sequence[Tree]) -> Grid:
    table = np.zeros((len(features), *sizes))
    axes = {f: tuple(-1 if i == axis else 1 for i in range(len(features))) for axis, f in enumerate(features)}
    for tree in trees:
        leaves = _leaves(tree)
        for number, own_shares in _shares(leaves, len(features)).items():
            steps = leaves[number].steps
            passed = [
                np.logical_and.reduce([tree.goes_left[s.node] == s.left for s in own]).reshape(axes[feature])
                for feature, own in steps.items()
            ]
            table[[features.index(f) for f in steps]] += own_shares[:, _case(passed, sizes)]
    return Grid(features, table.reshape(len(features), -1), sizes)


def _tops(tree: Tree, bits: int) -> Iterator[tuple[int, tuple[Step, ...], int]]:
    """The nodes highest up whose leaves share a table, and leaves under none; with the path to each, and the bits."""
    inner = tree.nodes_below()
    stack: list[tuple[int, tuple[Step, ...]]] = [(0, ())]
    while stack:
        top, path = stack.pop()
        needed = len({int(tree.features[step.node]) for step in path}) + (inner[top] if top >= 0 else 0)
        if top < 0 or needed <= bits:
            yield top, path, needed
        else:
            left, right = tree.children[top].tolist()
            stack += [(right, (*path, Step(top, False))), (left, (*path, Step(top, True)))]


def _bytes(trees: Sequence[Tree], bits: int) -> int:
    """The most that tables of at most so many bits take."""
    return sum(8 * needed << needed for tree in trees for *_, needed in _tops(tree, bits) if needed <= bits)


def _asked(tree: Tree, bits: int) -> AskedTree:
    questions = tuple(Question.of(int(f), left) for f, left in zip(tree.features, tree.goes_left, strict=True))
    leaves = _leaves(tree)
    tables = _shares(leaves, bits)
    parts = [
        _group(tree, leaves, tables, top, path) if needed <= bits else _path(tree, leaves[~top])
        for top, path, needed in _tops(tree, bits)
    ]
    return AskedTree(questions, tuple(parts))


def _path(tree: Tree, leaf: _Leaf) -> LongPath:
    return LongPath(tuple(leaf.steps), tuple(_rows(tree, own) for own in leaf.steps.values()), leaf.covers, leaf.value)


def _group(tree: Tree, leaves: Sequence[_Leaf], tables: Mapping[int, Floats], top: int, path: Sequence[Step]) -> Group:
    """The table of the leaves under `top`: a bit for each feature on the path to it, and for each node from it on."""
    above = _by_feature(tree, path)
    below = list(tree.below(top))
    inner = list(dict.fromkeys(step.node for _, steps in below for step in steps))
    terms = tuple(_rows(tree, steps) for steps in (*above.values(), *([Step(node, True)] for node in inner)))
    bits = cases(len(terms))
    node_bits = dict(zip(inner, bits[len(above) :], strict=True))
    features = list(dict.fromkeys([*above, *(int(tree.features[node]) for node in inner)]))
    table = np.zeros((len(features), bits.shape[1]))
    for number, steps in below:
        passed = dict(zip(above, bits, strict=False))
        for step in steps:
            feature = int(tree.features[step.node])
            taken = node_bits[step.node] == step.left
            passed[feature] = passed[feature] & taken if feature in passed else taken
        case = _case([passed[feature] for feature in leaves[number].steps], bits.shape[1:])
        table[[features.index(f) for f in leaves[number].steps]] += tables[number][:, case]
    return Group(tuple(features), terms, table)


def _rows(tree: Tree, steps: Sequence[Step]) -> Index:
    """Where the answers of a tree's questions say that these steps are taken."""
    return np.array([step.node if step.left else step.node + len(tree.features) for step in steps], dtype=np.intp)
