"""Reads a workspace: `tierwise.yaml` and `models/<plan>/{model,policy,plays,icp}.yaml`, with every fault at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tierwise.config.fault_words import did_you_mean, faults_of, kind_of
from tierwise.config.icp import Icp
from tierwise.config.plan import Plan
from tierwise.config.plays import Plays
from tierwise.config.plays_check import reading_of
from tierwise.config.policy import Policy
from tierwise.config.policy_check import Reading
from tierwise.config.sink_faults import network_faults, shared_faults
from tierwise.config.workspace import Settings
from tierwise.config.yaml_lines import Document, Fault, dotted, read_yaml
from tierwise.config.yaml_lines import Path as At
from tierwise.errors import ConfigError, UsageError

SETTINGS_FILE = "tierwise.yaml"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class PlanFiles:
    """One plan with the files beside it; `folder` is models/<plan>, `written` its model.yaml as it was read."""

    plan: Plan
    policy: Policy
    plays: Plays
    icp: Icp
    folder: Path
    written: Document = field(repr=False, compare=False)

    def where(self, *path: str | int) -> str:
        """The file and line of a path of model.yaml, or of the nearest part of it: `models/main/model.yaml:12`."""
        return f"models/{self.folder.name}/model.yaml:{self.written.line(path)}"


@dataclass(frozen=True)
class Workspace:
    """A workspace as read: its folder, its settings, and its plans by name (in name order)."""

    folder: Path
    settings: Settings
    plans: dict[str, PlanFiles]

    @property
    def tables(self) -> Path:
        """The folder of the contract's own tables."""
        return self.folder / (self.settings.tables or "tables")

    @property
    def published(self) -> Path:
        """The folder under which runs are published."""
        return self.folder / self.settings.published

    @property
    def store(self) -> str:
        """The URL of the store; an SQLite file stands relative to the workspace."""
        return _beside(self.folder, self.settings.store)

    @property
    def registry(self) -> str:
        """The URI of the model registry; an SQLite file stands relative to the workspace."""
        return _beside(self.folder, self.settings.registry)

    def plan(self, name: str | None = None) -> PlanFiles:
        """The plan of that name; a workspace with one plan needs no name.

        Raises
        ------
        ConfigError : there is no plan at all.
        UsageError : there is no such plan, or there are several and none was named.
        """
        if not self.plans:
            raise ConfigError(
                f"no plan was found in {self.folder / 'models'}",
                found="a plan is a file models/<plan>/model.yaml",
                do=f"Run `tierwise init {self.folder}` to draft one on the sources of tierwise.yaml",
            )
        there = ", ".join(self.plans)
        if name is None and len(self.plans) == 1:
            return next(iter(self.plans.values()))
        if name is None:
            raise UsageError(
                "no plan was named", found=f"this workspace has {len(self.plans)}: {there}", do="Add --plan NAME"
            )
        if name not in self.plans:
            raise UsageError(
                f"plan '{name}' was asked for",
                found=f"this workspace has: {there}{did_you_mean(name, list(self.plans))}",
                do="Name one of them with --plan",
            )
        return self.plans[name]


def _beside(folder: Path, url: str) -> str:
    """An SQLite URL with its file's path made absolute from the workspace's folder; any other URL as it is."""
    head = "sqlite:///"
    if not url.startswith(head) or url == head:
        return url
    return head + str((folder / url.removeprefix(head)).absolute())


def load_workspace(folder: Path | str, env: str | None = None, environ: Mapping[str, str] | None = None) -> Workspace:
    """Read and check every YAML file of a workspace.

    Parameters
    ----------
    folder : the folder that holds tierwise.yaml.
    env : the name of an overlay under `environments:` to merge over the settings.
    environ : what `${VAR}` references are resolved from; by default the process's environment.

    Raises
    ------
    ConfigError : a file is missing, or any file has a fault; all faults of all files are listed, with their lines.
    """
    folder = Path(folder)
    environ = os.environ if environ is None else environ
    faults: list[str] = []
    names = sorted(p.name for p in (folder / "models").glob("*") if (p / "model.yaml").is_file())
    settings = _settings(folder, env, environ, faults, names)
    plans = {name: _plan_files(folder, name, environ, faults) for name in names}
    if faults or settings is None:
        raise _all(faults)
    return Workspace(folder, settings, {name: files for name, files in plans.items() if files is not None})


def parse_plan(text: str, file: str = "model.yaml") -> Plan:
    """Read one model.yaml from its text; raises ConfigError with every fault."""
    return parse_file(Plan, text, file)


def parse_policy(text: str, file: str = "policy.yaml", plan: Plan | None = None) -> Policy:
    """Read one policy.yaml from its text, its names held against the plan's; raises ConfigError with every fault."""
    return parse_file(Policy, text, file, reading=Reading(plan=plan))


def parse_file(
    model: type[M],
    text: str,
    file: str,
    base: Mapping[str, Any] | None = None,
    check: Callable[[M], Iterable[tuple[At, str]]] = lambda _instance: (),
    reading: Reading | None = None,
) -> M:
    """Read one YAML file of a model from its text, merged over `base`; `check` may find more (path, words).

    reading : what else a policy or its plays are held against.

    Raises
    ------
    ConfigError : with every fault.
    """
    faults: list[str] = []
    document = read_yaml(text)
    if base is not None and isinstance(document.value, dict):
        document.value = merged(base, document.value)
    instance = _model(model, document, file, {}, faults, reading)
    if instance is not None:
        found = sorted((Fault(document.line(path), path, says) for path, says in check(instance)), key=lambda f: f.line)
        faults += [fault.text(file) for fault in found]
    if instance is None or faults:
        raise _all(faults)
    return instance


def parse_settings(text: str, file: str = SETTINGS_FILE, environ: Mapping[str, str] | None = None) -> Settings:
    """Read a tierwise.yaml from its text, its `${VAR}` resolved; raises ConfigError with every fault."""
    faults: list[str] = []
    settings = _model(Settings, read_yaml(text), file, os.environ if environ is None else environ, faults)
    if settings is None:
        raise _all(faults)
    return settings


def parse_icp(text: str, file: str = "icp.yaml") -> Icp:
    """Read one icp.yaml from its text; raises ConfigError with every fault."""
    return parse_file(Icp, text, file)


def _all(faults: list[str]) -> ConfigError:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = "\n".join(f"  {fault}" for fault in faults)
    return ConfigError(f"The workspace's files have {count}:\n{lines}\nMend what is listed and run the command again")


def _read(path: Path, file: str, faults: list[str]) -> Document | None:
    try:
        return read_yaml(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        faults.append(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8")
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
    return None


def _settings(
    folder: Path, env: str | None, environ: Mapping[str, str], faults: list[str], plans: Sequence[str]
) -> Settings | None:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise ConfigError(
            f"'{folder}' was opened as a workspace",
            found=f"there is no {SETTINGS_FILE} in it (looked for {path})",
            do="Name a workspace with -C, or make one with `tierwise init DIR --tables PATH`",
        )
    document = _read(path, SETTINGS_FILE, faults)
    if document is None:
        return None
    overlays = document.value.get("environments") if isinstance(document.value, dict) else None
    overlays = overlays if isinstance(overlays, dict) else {}
    if env is not None and env not in overlays:
        there = ", ".join(map(str, overlays)) or "none"
        raise ConfigError(
            f"environment '{env}' was asked for",
            found=f"{SETTINGS_FILE} has under environments: {there}{did_you_mean(env, [str(o) for o in overlays])}",
            do=f"Name one of them with --env, or add '{env}' under environments: in {SETTINGS_FILE}",
        )
    for name, overlay in overlays.items():
        if isinstance(overlay, dict) and name != env:
            document.faults += _overlay_faults(document, str(name), overlay)
    document.faults += network_faults(document)
    if env is not None and isinstance(overlays[env], dict):
        document = _overlaid(document, env)
    settings = _model(Settings, document, SETTINGS_FILE, environ, faults)
    if settings is not None:
        faults += [fault.text(SETTINGS_FILE) for fault in shared_faults(document, settings, plans)]
    return settings


def _overlay_faults(document: Document, name: str, overlay: dict[str, Any]) -> list[Fault]:
    """The unknown keys of an overlay, chosen or not; its values are checked when it is chosen."""
    at: At = ("environments", name)
    if "environments" in overlay:
        return [Fault(document.line((*at, "environments")), (*at, "environments"), "an overlay holds no overlays")]
    try:
        Settings.model_validate(overlay)
    except ValidationError as error:
        unknown = [e for e in error.errors() if e["type"] == "extra_forbidden"]
        return faults_of(Settings, document, unknown, at)
    return []


def _overlaid(document: Document, env: str) -> Document:
    """The settings with one environment merged over them, mapping by mapping; lists are replaced."""
    prefix: At = ("environments", env)
    overlay = document.value["environments"][env]
    value = merged(document.value, {key: part for key, part in overlay.items() if key != "environments"})
    lines = dict(document.lines)
    for path, line in document.lines.items():
        if path[:2] == prefix and len(path) > 2:
            lines[path[2:]] = line
    return Document(value, lines, document.faults)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A deep merge: mappings merge key by key, anything else (a list too) is replaced; neither argument changes."""
    result = deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else deepcopy(value)
    return result


def _plan_files(folder: Path, name: str, environ: Mapping[str, str], faults: list[str]) -> PlanFiles | None:
    documents: dict[str, Document] = {}

    def one(model: type[M], stem: str, reading: Reading | None = None) -> M | None:
        file = f"models/{name}/{stem}.yaml"
        path = folder / file
        if not path.is_file() and stem != "model":
            return model()
        document = _read(path, file, faults)
        if document is None:
            return None
        documents[stem] = document
        says = document.value.get("plan") if isinstance(document.value, dict) else None
        if stem == "model" and isinstance(says, str) and says != name:
            document.faults.append(Fault(document.line(("plan",)), ("plan",), f"says '{says}' in the folder '{name}'"))
        return _model(model, document, file, environ, faults, reading)

    known = ("model", "policy", "plays", "icp")
    for stray in sorted((folder / "models" / name).glob("*.y*ml")):
        if stray.stem not in known or stray.suffix != ".yaml":
            near = did_you_mean(stray.name, [f"{stem}.yaml" for stem in known])
            faults.append(f"models/{name}/{stray.name}: no such file is read here{near}")
    plan = one(Plan, "model")
    policy = one(Policy, "policy", Reading(plan=plan))
    icp = one(Icp, "icp")
    plays = one(Plays, "plays", reading_of(plan, policy, icp))
    if plan is None or policy is None or plays is None or icp is None:
        return None
    return PlanFiles(plan, policy, plays, icp, folder / "models" / name, documents["model"])


def _model(
    model: type[M],
    document: Document,
    file: str,
    environ: Mapping[str, str],
    faults: list[str],
    reading: Reading | None = None,
) -> M | None:
    """Validate a document; its faults, in line order, are added to `faults`, and then nothing comes back."""
    found = list(document.faults)
    instance: M | None = None
    value = {} if document.value is None else document.value
    if document.value is None and found:
        pass  # nothing was read: there is nothing to validate
    elif not isinstance(value, dict):
        found.append(Fault(1, (), f"a mapping of keys is wanted; here stands {kind_of(value)}"))
    else:
        value = _resolved(value, (), document, environ, found)
        try:
            instance = model.model_validate(value, context=reading)
        except ValidationError as error:
            known = {fault.path for fault in found}
            found += [f for f in faults_of(model, document, error.errors()) if f.path not in known]
            if reading is not None and any(e["loc"] for e in error.errors()):
                found += _of_the_rest(model, document, value, found, reading)
    faults += [fault.text(file) for fault in sorted(found, key=lambda f: (f.line, dotted(f.path)))]
    return None if found else instance


def _of_the_rest(
    model: type[BaseModel], document: Document, value: dict[str, Any], found: list[Fault], reading: Reading
) -> list[Fault]:
    """What a model finds that reads all of its file at once, in that part of the file that is without faults so far.

    A list loses its items at fault, any other key with a fault is lost whole; what would need what is lost is not said.
    """
    lost: dict[str | int, set[str | int]] = {}
    for path in (fault.path for fault in found if fault.path):
        in_list = len(path) > 1 and isinstance(value.get(str(path[0])), list)
        lost.setdefault(path[0], set()).add(path[1] if in_list else "")
    places = {
        key: [i for i in range(len(part)) if i not in lost.get(key, ())]
        for key, part in value.items()
        if isinstance(part, list)
    }
    rest = {
        key: [part[i] for i in places[key]] if key in places else part
        for key, part in value.items()
        if "" not in lost.get(key, ())
    }
    broken = frozenset(key for name in lost for key in get_close_matches(str(name), model.model_fields, n=1))
    try:
        model.model_validate(rest, context=replace(reading, broken=broken))
    except ValidationError as error:
        whole = [e for e in error.errors() if not e["loc"]]
        moved = [(_where_it_stood(f.path, places), f.says) for f in faults_of(model, document, whole)]
        return [Fault(document.line(path), path, says) for path, says in moved]
    return []


def _where_it_stood(path: At, places: Mapping[str, list[int]]) -> At:
    """The path in the file of a path in what is left of it."""
    if len(path) > 1 and isinstance(path[1], int):
        return (path[0], places[str(path[0])][path[1]], *path[2:])
    return path


def _resolved(value: Any, path: At, document: Document, environ: Mapping[str, str], faults: list[Fault]) -> Any:
    """The value with `${VAR}` replaced in every string (`$${` stands for `${`); overlays stay as written."""
    if isinstance(value, dict):
        skip = path == ("environments",)
        return {k: v if skip else _resolved(v, (*path, k), document, environ, faults) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, (*path, i), document, environ, faults) for i, v in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "${"
        if not _NAME.fullmatch(name):
            faults.append(Fault(document.line(path), path, f"'${{{name}}}' is not a reference; write ${{VARIABLE}}"))
        elif name not in environ:
            says = f"the environment has no variable {name}; set it, or write the value here"
            faults.append(Fault(document.line(path), path, says))
        return environ.get(name, "")

    return _REFERENCE.sub(replace, value)
