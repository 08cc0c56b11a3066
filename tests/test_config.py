"""The YAML files of a workspace: every fault at once, each on its true line, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.config import Settings, json_schema, load_workspace, merged, parse_plan
from tierwise.errors import ConfigError, UsageError

MODEL = """\
plan: main
outcome:
  horizon_days: 60
features:
  fit:
    - {attribute: industry, kind: category, clock: fixed}
"""


def workspace(folder: Path, files: dict[str, str] | None = None) -> Path:
    for name, text in {"tierwise.yaml": "", "models/main/model.yaml": MODEL, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def faults(folder: Path, env: str | None = None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_workspace(folder, env, environ or {})
    assert caught.value.exit_code == 2
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def test_a_workspace_is_read_with_defaults(tmp_path: Path) -> None:
    found = load_workspace(workspace(tmp_path))
    assert found.settings == Settings()
    assert found.plan().plan.outcome.horizon_days == 60
    assert found.plan("main").policy.minimum_fit == "moderate"
    assert found.plan().folder == tmp_path / "models" / "main"
    with pytest.raises(AttributeError):
        found.settings = Settings()  # type: ignore[misc]


def test_several_plans_need_a_name(tmp_path: Path) -> None:
    found = load_workspace(workspace(tmp_path, {"models/other/model.yaml": "plan: other\n"}))
    with pytest.raises(UsageError, match=r"no plan was named. this workspace has 2: main, other. Add --plan NAME."):
        found.plan()
    with pytest.raises(UsageError, match=r"this workspace has: main, other; did you mean 'other'\?"):
        found.plan("othr")


def test_no_workspace_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_workspace(tmp_path)
    assert f"there is no tierwise.yaml in it (looked for {tmp_path / 'tierwise.yaml'})" in str(caught.value)
    assert "tierwise init DIR --tables PATH" in str(caught.value)
    (tmp_path / "tierwise.yaml").write_text("")
    with pytest.raises(ConfigError, match="no plan was found"):
        load_workspace(tmp_path).plan()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "plan: main\nfeatures:\n  fit:\n    - attribute: a\n      kind: set\n      clok: fixed\n",
            [
                "4: features.fit[0].clock: this key is missing",
                "6: features.fit[0].clok: unknown key; did you mean 'clock'?",
            ],
        ),
        ("plan: main\noutcome:\n  horizon: [1\n", ["4: not valid YAML: while parsing a flow sequence"]),
        (
            "plan: main\noutcome:\n  horizon_days: soon\n",
            ["3: outcome.horizon_days: a whole number is wanted; here stands text"],
        ),
        (
            "plan: main\ncohort:\n  min_age_days: true\n",
            ["3: cohort.min_age_days: another kind of value is wanted; here stands a flag (true)"],
        ),
        ("plan: main\ncohort:\n  countries: DE\n", ["3: cohort.countries: a list is wanted; here stands text"]),
        ("plan: main\nmodel:\n  seed: 1\n\nmodel: {}\n", ["5: model: this key stands twice; the first is on line 2"]),
        ("plan: main\noutcome:\n  event: opportunity_create\n", ["did you mean 'opportunity_created'?"]),
        ("plan: main\noutcome:\n\n  event: stage_reached\n", ["2: outcome: event stage_reached needs stages"]),
        ("outcome: {}\n", ["1: plan: this key is missing"]),
        ("- plan\n", ["1: a mapping of keys is wanted; here stands a list"]),
        (
            "plan: main\nlabels: !!python/object/apply:os.system [x]\n",
            ["2: labels: the tag python/object/apply:os.system is not read"],
        ),
        ("plan: main\nlabels: &a {b: *a}\n", ["an alias repeats itself without end"]),
        ("plan: main\nmodel: {test_from: 2025-02-31}\n", ["2: model.test_from: '2025-02-31' cannot be read"]),
        ("plan: other\n", ["1: plan: says 'other' in the folder 'main'"]),
        (
            "plan: main\nlabel: {}\ncohort:\n  customers: some\n",
            [
                "2: label: unknown key; did you mean 'labels'?",
                "4: cohort.customers: one of exclude, keep, only is wanted",
            ],
        ),
    ],
)
def test_every_fault_has_its_line_and_its_words(tmp_path: Path, text: str, words: list[str]) -> None:
    found = faults(workspace(tmp_path, {"models/main/model.yaml": text}))
    assert len(found) == len(words)
    for line, wanted in zip(found, words, strict=True):
        assert line.startswith("models/main/model.yaml:")
        assert wanted in line


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    files = {
        "tierwise.yaml": "thread: 2\n",
        "models/main/policy.yaml": "bands:\n  fit: {moderate: 80, high: 70}\n",
        "models/main/icp.yaml": "roles:\n  champion: vp\n",
        "models/main/polcy.yaml": "",
    }
    assert faults(workspace(tmp_path, files)) == [
        "tierwise.yaml:1: thread: unknown key; did you mean 'threads'?",
        "models/main/polcy.yaml: no such file is read here; did you mean 'policy.yaml'?",
        "models/main/policy.yaml:2: bands.fit.high: moderate (80) must lie below high (70): lower moderate, or raise"
        " high",
        "models/main/icp.yaml:2: roles.champion: a list is wanted; here stands text",
    ]


def test_references_come_from_the_environment_and_overlays_merge(tmp_path: Path) -> None:
    text = """\
store: "${STORE}"
threads: ${THREADS}
published: "$${plain}"
quarantine: {max_share: 0.5}
environments:
  prod:
    store: postgresql://user:${SECRET}@db/x
    quarantine:
      max_share: 0.2
"""
    folder = workspace(tmp_path, {"tierwise.yaml": text})
    base = load_workspace(folder, environ={"STORE": "sqlite:///a.db", "THREADS": "3"}).settings
    assert (base.store, base.threads, base.published) == ("sqlite:///a.db", 3, "${plain}")
    prod = load_workspace(folder, "prod", {"THREADS": "3", "SECRET": "s"}).settings
    assert (prod.store, prod.quarantine.max_share) == ("postgresql://user:s@db/x", 0.2)
    assert faults(folder, "prod", {"THREADS": "many"}) == [
        "tierwise.yaml:2: threads: a whole number is wanted; here stands text",
        "tierwise.yaml:7: store: the environment has no variable SECRET; set it, or write the value here",
    ]
    with pytest.raises(
        ConfigError, match=r"environment 'prd' was asked for.*under environments: prod; did you mean 'prod'"
    ):
        load_workspace(folder, "prd", {})


def test_an_attribute_is_called_as_the_column_is_but_never_nothing() -> None:
    text = "plan: main\nfeatures:\n  fit:\n  - {attribute: ' ', kind: number, clock: fixed}\n"
    with pytest.raises(ConfigError, match=r"model.yaml:4: features.fit\[0\].attribute"):
        parse_plan(text)
    assert parse_plan(text.replace("' '", "Größe (m²)")).features.fit[0].attribute == "Größe (m²)"


def test_an_overlay_is_checked_though_not_chosen(tmp_path: Path) -> None:
    folder = workspace(tmp_path, {"tierwise.yaml": "environments:\n  prod:\n    stor: x\n"})
    assert faults(folder) == ["tierwise.yaml:3: environments.prod.stor: unknown key; did you mean 'store'?"]
    assert faults(folder, "prod") == ["tierwise.yaml:3: stor: unknown key; did you mean 'store'?"]


def test_a_secret_is_never_in_an_error(tmp_path: Path) -> None:
    folder = workspace(tmp_path, {"models/main/model.yaml": "plan: main\noutcome:\n  event: ${SECRET}\n"})
    assert "hunter2" not in " ".join(faults(folder, environ={"SECRET": "hunter2"}))


trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)
maps = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


def leaves(tree: object, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    if not isinstance(tree, dict) or not tree:
        return {at: tree}
    return {k: v for key, part in tree.items() for k, v in leaves(part, (*at, key)).items()}


@settings(deadline=None, max_examples=100)
@given(base=maps, over=maps)
def test_an_overlay_wins_and_the_rest_stays(base: dict[str, object], over: dict[str, object]) -> None:
    before = repr((base, over))
    result = leaves(merged(base, over))
    assert repr((base, over)) == before
    for at, value in leaves(over).items():
        assert value == {} or result[at] == value
    for at, value in leaves(base).items():
        touched = any(at[: len(o)] == o or o[: len(at)] == at for o in leaves(over))
        assert touched or result[at] == value
    assert merged(base, {}) == base


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.sampled_from(["", "# note", "labels: {a: b}", "model: {folds: 2}"]), max_size=6, unique=True),
    at=st.integers(0, 6),
)
def test_the_line_is_true_wherever_the_fault_stands(lines: list[str], at: int) -> None:
    text = ["plan: main", *lines]
    text.insert(min(at, len(lines)) + 1, "cohrt: {}")
    with pytest.raises(ConfigError) as caught:
        parse_plan("\n".join(text))
    assert f"model.yaml:{text.index('cohrt: {}') + 1}: cohrt: unknown key; did you mean 'cohort'?" in str(caught.value)


@pytest.mark.parametrize("kind", ["tierwise", "model", "policy", "plays", "icp"])
def test_every_file_has_a_schema(kind: str) -> None:
    schema = json_schema(kind)
    assert schema["title"].endswith(f"{kind}.yaml")
    assert schema["description"]
    assert schema["additionalProperties"] is False


def test_schema_of_an_unknown_kind() -> None:
    with pytest.raises(UsageError, match="there are: tierwise, model, policy, plays, icp"):
        json_schema("models")


def test_importing_config_loads_nothing_heavy() -> None:
    heavy = "{'ruamel', 'pandas', 'numpy', 'pyarrow', 'duckdb'}"
    code = f"import sys, tierwise.config; print({heavy} & {{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "set()"
