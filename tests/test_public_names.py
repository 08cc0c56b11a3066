"""What a user needs is public, and a public name always means the same thing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import tierwise
from tierwise.errors import UsageError


def test_no_public_name_is_also_a_package_of_ours() -> None:
    packages = {module.name for module in iter_modules(tierwise.__path__)}
    assert not packages & set(tierwise.__all__), "once it is loaded, the package would stand in the name's place"


def test_public_names_are_verbs_and_values_whatever_was_loaded_before() -> None:
    asked = (
        "import tierwise, tierwise.jobs; print(*[n for n in tierwise.__all__ if not callable(getattr(tierwise, n))])"
    )
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "\n"
    assert tierwise.explain_account is import_module("tierwise.jobs").explain


def test_every_name_that_a_room_lists_is_there() -> None:
    for room in ("learning", "explain", "jobs"):
        module = import_module(f"tierwise.{room}")
        assert all(hasattr(module, name) for name in module.__all__)
        assert list(module.__all__) == sorted(module.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n))


def test_the_live_model_is_read_with_what_was_said_of_it(small_demo: Path) -> None:
    workspace = tierwise.load_workspace(small_demo)
    live = tierwise.read_model(workspace)
    published = tierwise.read_current(workspace.published, "new_business").frame("tiers")
    assert set(published["model_version"].dropna()) == {live.version}
    assert live.meta["evaluation"]["chosen"] in live.meta["evaluation"]["candidates"]


def test_a_model_that_is_not_there_is_asked_for(small_demo: Path) -> None:
    workspace = tierwise.load_workspace(small_demo)
    with pytest.raises(
        UsageError, match=r"The challenger of plan 'new_business' was asked for: the registry holds none"
    ):
        tierwise.read_model(workspace, model="challenger")
    with pytest.raises(UsageError, match=r"the newest was to be read.*Say champion, for the live model, or challenger"):
        tierwise.read_model(workspace, model="newest")
