"""Tables of a booster against LightGBM's own contributions, against shap, and against Shapley's sum over subsets."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from math import comb, factorial
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_sample import matrix
from tierwise.errors import ContractError, UsageError
from tierwise.learning import TwoSidedBooster, forest, tree_tables
from tierwise.learning.encoding import signal_mask
from tierwise.learning.lookups import LongPath
from tierwise.learning.tree_tables import PointTable, TreeTables, point_tables

ZERO = float(np.float32(1e-35))
ODD = [np.nan, 0.0, -0.0, ZERO, -ZERO, ZERO / 2, -ZERO / 2, 2 * ZERO, -2 * ZERO, 1e300, -1e300, 0.5, -0.5]
CODES = [np.nan, -1.0, -0.5, 0.0, 1.0, 2.7, 5.0, 63.0, 64.0, 1e6, 2e9]


def rows(seed: int, n: int, numbers: int = 5, categories: int = 1) -> np.ndarray:
    """Normal, rounded, mostly zero and partly missing numbers, then categories, of which some codes are rare."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, numbers + categories))
    x[:, 1 % numbers] = np.round(x[:, 1 % numbers])
    x[:, 2 % numbers] *= rng.random(n) < 0.3
    x[rng.random((n, numbers + categories)) < 0.1] = np.nan
    codes = rng.choice([0, 1, 2, 3, 5, 31, 32, 64, 90], size=(n, categories), p=[0.2, 0.2, 0.2, 0.1, *[0.06] * 5])
    x[:, numbers:] = np.where(rng.random((n, categories)) < 0.1, np.nan, codes)
    return x


def booster(x: np.ndarray, seed: int = 0, rounds: int = 10, categories: int = 1, **params: Any) -> lightgbm.Booster:
    rng = np.random.default_rng(seed + 1)
    known = np.nan_to_num(x[:, : x.shape[1] - categories])
    codes = np.nan_to_num(x[:, x.shape[1] - categories :])
    log_odds = known[:, 0] * known[:, -1] + np.abs(known[:, 1]) - 1 + (codes % 2).sum(axis=1)
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-2 * log_odds))).astype(float)
    data = lightgbm.Dataset(
        x,
        y,
        weight=rng.random(len(x)) + 0.5 if params.pop("weighted", False) else None,
        categorical_feature=list(range(x.shape[1] - categories, x.shape[1])),
        params={"verbosity": -1, **{k: v for k, v in params.items() if k in ("zero_as_missing", "use_missing")}},
    )
    common = {"objective": "binary", "num_leaves": 31, "min_data_in_leaf": 3, "min_data_per_group": 3, "cat_smooth": 1}
    return lightgbm.train(
        common | {"num_threads": 1, "verbosity": -1, "seed": seed, "deterministic": True, **params}, data, rounds
    )


def hard_rows(made: lightgbm.Booster, x: np.ndarray, categories: int = 1) -> np.ndarray:
    """Rows at hand, and rows of odd values: thresholds and their neighbours, near-zeros, missing and unseen codes."""
    rng = np.random.default_rng(3)
    frame = made.trees_to_dataframe() if made.num_trees() else None
    columns = []
    for j, name in enumerate(made.feature_name()):
        values = list(CODES if j >= x.shape[1] - categories else ODD)
        if frame is not None and j < x.shape[1] - categories:
            at = frame.loc[frame["split_feature"] == name, "threshold"].astype(float).unique()
            values += [*at, *np.nextafter(at, -np.inf), *np.nextafter(at, np.inf)]
        columns.append(rng.choice(values, 150))
    return np.vstack([x[:100], np.column_stack(columns)])


def assert_equal_to_lightgbm(made: lightgbm.Booster, x: np.ndarray) -> TreeTables:
    tables = TreeTables.from_booster(made)
    told = np.asarray(made.predict(x, pred_contrib=True, num_threads=1))
    assert np.abs(tables.contributions(x) - told[:, :-1]).max() < 1e-11
    assert abs(tables.base - told[0, -1]) < 1e-11
    assert np.abs(tables.log_odds(x) - made.predict(x, raw_score=True, num_threads=1)).max() < 1e-10
    return tables


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**31),
    n=st.sampled_from([30, 200, 600]),
    leaves=st.integers(2, 40),
    depth=st.sampled_from([-1, 1, 2, 12, 20]),
    boosting=st.sampled_from(["gbdt", "gbdt", "dart", "rf"]),
    bagging=st.booleans(),
    weighted=st.booleans(),
    zero_as_missing=st.booleans(),
    use_missing=st.booleans(),
    monotone=st.booleans(),
    constraints=st.sampled_from(
        [None, [[0, 1], [2, 3, 4, 5]], [[0], [1], [2], [3], [4], [5]], [[0, 5], [1, 2], [3, 4]]]
    ),
    bits=st.sampled_from([1, 3, 12]),
    few_edges=st.sampled_from([0, 128]),
)
def test_contributions_equal_lightgbm(
    seed: int,
    n: int,
    leaves: int,
    depth: int,
    boosting: str,
    bagging: bool,
    weighted: bool,
    zero_as_missing: bool,
    use_missing: bool,
    monotone: bool,
    constraints: list[list[int]] | None,
    bits: int,
    few_edges: int,
) -> None:
    x = rows(seed, n)
    params: dict[str, Any] = {"num_leaves": leaves, "max_depth": depth, "boosting": boosting, "weighted": weighted}
    params |= {"zero_as_missing": zero_as_missing, "use_missing": use_missing}
    if bagging or boosting == "rf":
        params |= {"bagging_fraction": 0.6, "bagging_freq": 1}
    if monotone:
        params["monotone_constraints"] = [1, -1, 0, 0, 1, 0]
    if constraints:
        params["interaction_constraints"] = constraints
    made = booster(x, seed % 1000, rounds=6, **params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_tables, "MOST_BITS", bits)
        patch.setattr(tree_tables, "LEAST_BITS", bits)
        patch.setattr(forest, "FEW_EDGES", few_edges)
        tables = assert_equal_to_lightgbm(made, hard_rows(made, x))
    if depth == 1 or (constraints and len(constraints) == 6):
        assert tables.additive


@pytest.mark.parametrize("bits", [2, 6, 12])
def test_long_paths_of_many_features_are_exact(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    monkeypatch.setattr(tree_tables, "MOST_BITS", bits)
    monkeypatch.setattr(tree_tables, "LEAST_BITS", min(bits, 6))
    x = rows(1, 3000, numbers=30, categories=2)
    made = booster(x, rounds=5, categories=2, num_leaves=200, feature_fraction=0.5)
    deep = made.trees_to_dataframe()["node_depth"].max()
    assert deep > 14
    assert_equal_to_lightgbm(made, hard_rows(made, x, categories=2))


def in_fractions(
    node: dict[str, Any], row: np.ndarray, path: tuple[tuple[int, bool, Fraction], ...] = ()
) -> np.ndarray:
    """Shapley values in fractions, where no path reads a feature twice: each leaf is a product over its features."""
    if "leaf_value" in node:
        found = np.zeros(len(row), dtype=object)
        for i, (feature, passed, cover) in enumerate(path):
            ways = [Fraction(1)]
            for _, other_passed, other_cover in path[:i] + path[i + 1 :]:
                known = [Fraction(0), *(ways if other_passed else [Fraction(0)] * len(ways))]
                ways = [k + other_cover * w for k, w in zip(known, [*ways, Fraction(0)], strict=True)]
            weighted = sum(w / (len(path) * comb(len(path) - 1, known)) for known, w in enumerate(ways))
            found[feature] = Fraction(node["leaf_value"]) * (passed - cover) * weighted
        return found
    left = row[node["split_feature"]] <= node["threshold"]
    children = (node["left_child"], left), (node["right_child"], not left)
    sizes = [child.get("internal_count", child.get("leaf_count")) for child, _ in children]
    return sum(
        in_fractions(child, row, (*path, (node["split_feature"], bool(passed), Fraction(size, sum(sizes)))))
        for (child, passed), size in zip(children, sizes, strict=True)
    )


def test_a_path_of_many_features_is_exact_where_lightgbm_loses_digits() -> None:
    width = 36
    group = np.repeat(np.arange(width + 1), 6)
    x = (group[:, None] == np.arange(width)).astype(float)
    data = lightgbm.Dataset(x, np.sin(group), params={"enable_bundle": False, "min_data_in_bin": 1, "verbosity": -1})
    params = {"objective": "regression", "num_leaves": width + 1, "min_data_in_leaf": 1, "num_threads": 1}
    made = lightgbm.train(params | {"verbosity": -1}, data, 1)
    assert made.trees_to_dataframe()["node_depth"].max() == width + 1
    tables = TreeTables.from_booster(made)
    assert any(isinstance(part, LongPath) and len(part.terms) == width for part in tables.trees[0].parts)
    asked = (np.random.default_rng(0).random((1, width)) < 0.06).astype(float)
    root = made.dump_model()["tree_info"][0]["tree_structure"]
    exact = np.array([in_fractions(root, row) for row in asked]).astype(float)
    assert np.abs(tables.contributions(asked) - exact).max() < 1e-16
    assert 1e-12 < np.abs(made.predict(asked, pred_contrib=True, num_threads=1)[:, :-1] - exact).max() < 1e-6
    assert np.abs(tables.log_odds(asked) - made.predict(asked, raw_score=True, num_threads=1)).max() < 1e-14


def by_subsets(tree: dict[str, Any], row: np.ndarray) -> np.ndarray:
    """Shapley's formula itself, over all subsets of features, on one tree of LightGBM's JSON dump."""

    def goes_left(node: dict[str, Any]) -> bool:
        value = row[node["split_feature"]]
        if node["decision_type"] == "==":
            return not np.isnan(value) and str(int(value)) in node["threshold"].split("||")
        if np.isnan(value) and node["missing_type"] == "NaN":
            return bool(node["default_left"])
        value = np.nan_to_num(value)
        return bool(value <= node["threshold"])

    def size(node: dict[str, Any]) -> int:
        return int(node["internal_count"] if "internal_count" in node else node["leaf_count"])

    def worth(node: dict[str, Any], known: frozenset[int]) -> float:
        if "leaf_value" in node:
            return float(node["leaf_value"])
        if node["split_feature"] in known:
            return worth(node["left_child" if goes_left(node) else "right_child"], known)
        children = [node["left_child"], node["right_child"]]
        return sum(size(child) * worth(child, known) for child in children) / size(node)

    width = len(row)
    found = np.zeros(width)
    for i in range(width):
        others = [j for j in range(width) if j != i]
        for chosen in itertools.chain.from_iterable(itertools.combinations(others, r) for r in range(width)):
            weight = factorial(len(chosen)) * factorial(width - len(chosen) - 1) / factorial(width)
            found[i] += weight * (worth(tree, frozenset(chosen) | {i}) - worth(tree, frozenset(chosen)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_contributions_are_shapley_values_over_subsets(seed: int) -> None:
    x = rows(seed, 400)
    made = booster(x, seed, rounds=2, num_leaves=12, zero_as_missing=False)
    trees = [info["tree_structure"] for info in made.dump_model()["tree_info"]]
    asked = x[:12]
    expected = np.array([sum(by_subsets(tree, row) for tree in trees) for row in asked])
    assert np.abs(TreeTables.from_booster(made).contributions(asked) - expected).max() < 1e-12


@pytest.mark.parametrize("params", [{}, {"boosting": "dart"}, {"interaction_constraints": [[0, 1, 2], [3, 4, 5]]}])
def test_contributions_equal_shap(params: dict[str, Any]) -> None:
    shap = pytest.importorskip("shap")
    x = rows(8, 500, numbers=6, categories=0)
    made = booster(x, rounds=20, categories=0, **params)
    explainer = shap.TreeExplainer(made, feature_perturbation="tree_path_dependent")
    tables = TreeTables.from_booster(made)
    explainer.model.model_type = "internal"  # else shap asks LightGBM itself
    assert np.abs(tables.contributions(x[:200]) - explainer.shap_values(x[:200])).max() < 1e-12
    assert abs(tables.base - explainer.expected_value) < 1e-12


def test_neither_threads_nor_chunks_nor_neighbours_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(5, 4000, numbers=12)
    made = booster(x, rounds=8, num_leaves=63)
    monkeypatch.setattr(tree_tables, "MOST_BITS", 7)
    tables = TreeTables.from_booster(made)
    whole = tables.contributions(x)
    for chunk, threads in [(1, 1), (7, 3), (500, 2), (4000, 1), (1024, 4)]:
        monkeypatch.setattr(tree_tables, "ROWS", chunk)
        few = x[: 40 * chunk]
        assert np.array_equal(tables.contributions(few, threads), whole[: len(few)])
    assert np.array_equal(tables.contributions(x[::-1]), whole[::-1])
    assert np.array_equal(tables.contributions(np.asfortranarray(x)), whole)
    assert tables.contributions(x[:0]).shape == (0, 13)


def test_tables_keep_to_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(5, 3000, numbers=20)
    made = booster(x, rounds=5, num_leaves=63)
    free = TreeTables.from_booster(made)
    monkeypatch.setattr(tree_tables, "TABLE_BYTES", 300_000)
    kept = TreeTables.from_booster(made)
    assert kept.nbytes <= 300_000 < free.nbytes
    assert np.abs(kept.contributions(x[:300]) - free.contributions(x[:300])).max() < 1e-12


def test_single_leaves_and_no_trees_are_constants() -> None:
    x = rows(2, 60)
    constant = booster(x, rounds=3, min_data_in_leaf=1000)
    assert constant.trees_to_dataframe()["split_feature"].isna().all()
    tables = assert_equal_to_lightgbm(constant, x)
    assert tables.additive
    assert not tables.contributions(x).any()
    data = lightgbm.Dataset(x, np.arange(60) % 2, params={"verbosity": -1})
    empty = TreeTables.from_booster(lightgbm.Booster({"objective": "binary", "verbosity": -1}, data))
    assert empty.base == 0.0
    assert not empty.log_odds(x).any()
    assert all(table.of(np.array([np.nan, 3.0])).tolist() == [0.0, 0.0] for table in empty.point_tables())


def test_the_best_iteration_is_explained_as_predict_uses_it() -> None:
    x = rows(4, 300)
    made = booster(x, rounds=10)
    made.best_iteration = 4
    tables = assert_equal_to_lightgbm(made, x)
    made.best_iteration = 10
    assert abs(TreeTables.from_booster(made).base - tables.base) > 1e-6


@pytest.mark.parametrize("params", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"max_depth": 1}])
def test_point_tables_say_all_of_an_additive_booster(params: dict[str, Any]) -> None:
    x = rows(6, 800)
    made = booster(x, rounds=30, interaction_constraints=[[j] for j in range(6)], **params)
    asked = hard_rows(made, x)
    tables = point_tables(made)
    told = np.asarray(made.predict(asked, pred_contrib=True, num_threads=1))
    assert np.abs(np.column_stack([t.of(asked[:, j]) for j, t in enumerate(tables)]) - told[:, :-1]).max() < 1e-12
    for j, table in enumerate(tables):
        assert table.category == (j == 5)
        assert (np.diff(table.edges) > 0).all()
        assert len(table.values) == len(table.edges) + (not table.category)
        assert table.of(np.array([np.nan]))[0] == table.missing
    assert tables[5].missing == tables[5].of(np.array([-1.0, 77.0])).max()


def test_a_point_table_holds_up_to_and_with_its_edges() -> None:
    table = PointTable(False, np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0]), 5.0)
    assert table.of(np.array([np.nan, -9.0, 1.0, 1.5, 2.0, 2.1, np.inf])).tolist() == [5, 10, 10, 20, 20, 30, 30]
    codes = PointTable(True, np.array([0.0, 4.0]), np.array([10.0, 20.0]), 5.0)
    assert codes.of(np.array([np.nan, -1.0, 0.0, 3.0, 4.0, 9.0])).tolist() == [5, 5, 10, 5, 20, 5]


def test_what_is_centred_has_no_mean_over_its_training_rows() -> None:
    x = rows(6, 800)
    made = booster(x, rounds=30, interaction_constraints=[[j] for j in range(6)])
    tables = TreeTables.from_booster(made)
    assert np.abs(tables.contributions(x).mean(axis=0)).max() < 1e-12


def changed(made: lightgbm.Booster, **lines: str) -> lightgbm.Booster:
    """The booster with lines of its first tree written anew."""
    text = re.sub(r"tree_sizes=.*\n", "", made.model_to_string())
    for key, value in lines.items():
        text = re.sub(rf"\n{key}=.*", f"\n{key}={value}", text, count=1)
    return lightgbm.Booster(model_str=text)


def test_boosters_without_exact_contributions_are_refused() -> None:
    x = rows(3, 200)
    with pytest.raises(UsageError, match=r"its leaves hold linear models, which have no exact contributions. Train it"):
        TreeTables.from_booster(booster(x, linear_tree=True))
    data = lightgbm.Dataset(x, np.arange(200) % 3, params={"verbosity": -1})
    many = lightgbm.train({"objective": "multiclass", "num_class": 3, "num_threads": 1, "verbosity": -1}, data, 2)
    with pytest.raises(UsageError, match=r"it has 3 classes. Train one booster for each outcome"):
        TreeTables.from_booster(many)
    stump = booster(x, rounds=1, num_leaves=2)
    with pytest.raises(UsageError, match="does not count the training rows of every node"):
        TreeTables.from_booster(changed(stump, internal_count="0"))
    numbers = booster(x, rounds=2, num_leaves=2, interaction_constraints=[[0]])
    mixed = changed(numbers, threshold="0", decision_type="1", num_cat="1\ncat_boundaries=0 1\ncat_threshold=2")
    with pytest.raises(UsageError, match="read feature 0 now as a number, now as a category"):
        TreeTables.from_booster(mixed)


def test_rows_of_another_shape_threads_and_point_tables_of_pairs_are_refused() -> None:
    x = rows(3, 200)
    made = booster(x)
    tables = TreeTables.from_booster(made)
    with pytest.raises(ContractError, match=r"reads rows of 6 features: an array of shape \(200, 5\)"):
        tables.contributions(x[:, :5])
    with pytest.raises(ContractError, match=r"an array of shape \(6,\)"):
        tables.contributions(x[0])
    with pytest.raises(UsageError, match=r"0 threads. Give 1 or more"):
        tables.contributions(x, threads=0)
    with pytest.raises(UsageError, match=r"some of its trees read more than one feature. Train it with interaction"):
        point_tables(made)


@pytest.mark.parametrize("leaves", [2, 15])
def test_the_two_sides_are_the_sums_of_their_contributions(leaves: int) -> None:
    sample = matrix(accounts=150, months=4)
    model = TwoSidedBooster(sample.features, rounds=40, num_leaves=leaves)
    parts = model.fit(sample.frame, sample.frame["outcome"]).contributions(sample.frame)
    told = model.booster_.predict(model.encoder_.encode(sample.frame), pred_contrib=True, num_threads=1)
    assert np.abs(parts - told[:, :-1]).max() < 1e-11
    signal = signal_mask(sample.features)
    fit_side, signal_side = model.sides(sample.frame)
    assert np.abs(parts[:, ~signal].sum(axis=1) - fit_side).max() < 1e-11
    assert np.abs(parts[:, signal].sum(axis=1) - signal_side).max() < 1e-11


def test_a_booster_fitted_again_explains_what_it_learned_last() -> None:
    sample = matrix(accounts=150, months=4)
    model = TwoSidedBooster(sample.features, rounds=20)
    first = model.fit(sample.frame, sample.frame["outcome"]).contributions(sample.frame)
    again = model.fit(sample.frame, 1 - sample.frame["outcome"]).contributions(sample.frame)
    assert np.abs(first + again).max() < 0.05 < np.abs(first - again).max()
