"""What the repository ships besides the package: definitions that load, schedules of real verbs, docs that hold."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.main import get_command

import tierwise
from tierwise.cli.app import app
from tierwise.config import load_workspace

ROOT = Path(__file__).resolve().parents[1]
VERBS = set(get_command(app).commands)


def test_the_definitions_in_models_load(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    (tmp_path / "tierwise.yaml").write_text("tables: tables\n")
    files = load_workspace(tmp_path).plan("new_business")
    assert files.plan.features.fit
    assert files.plays.plays
    assert files.icp.rubric


def test_schedules_and_readme_call_verbs_that_are_there() -> None:
    texts = [(ROOT / "pipelines/cron/tierwise.cron").read_text(), (ROOT / "README.md").read_text()]
    calls = [
        shlex.split(found)
        for text in texts
        for found in re.findall(r"^(?:[^#\n]*?)(tierwise -?[^#;>\n`]*)", text, re.M)
    ]
    seen = set()
    for words in calls:
        plain = [
            w for n, w in enumerate(words[1:]) if not w.startswith("-") and words[n] not in ("-C", "--plan", "--env")
        ]
        assert plain[0] in VERBS, words
        seen.add(plain[0])
    assert {"init", "check", "train", "score", "govern", "explain", "serve"} <= seen


def test_the_readme_shows_code_before_line_20_and_its_python_names_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.splitlines().index("```sh") < 20
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tierwise":
                assert callable(getattr(tierwise, node.attr))


def test_public_names_resolve_and_others_are_refused() -> None:
    for name in tierwise.__all__:
        assert getattr(tierwise, name) is not None
    assert set(tierwise.__all__) <= set(dir(tierwise))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tierwise.nothing  # noqa: B018


def test_every_dependency_earns_a_line_in_contributing() -> None:
    named = set(re.findall(r'^  "([A-Za-z0-9._-]+)', (ROOT / "pyproject.toml").read_text(), re.M))
    said = (ROOT / "CONTRIBUTING.md").read_text()
    missing = {n for n in named if not re.search(rf"\b{re.escape(n.removesuffix('.yaml'))}\b", said, re.I)}
    missing -= {"Development", "Intended", "License", "Programming", "Typing", "error", "ignore", "cli", "learning"}
    assert not missing, missing
