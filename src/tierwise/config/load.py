"""Reads a workspace: `tierwise.yaml` and `models/<plan>/{model,policy,plays,icp}.yaml`, with every fault at once."""

from __future__ import annotations

import difflib
import os
import re
import types
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tierwise.config.icp import Icp
from tierwise.config.plan import Plan
from tierwise.config.policy import Plays, Policy
from tierwise.config.workspace import Settings
from tierwise.config.yaml_lines import Document, Fault, dotted, read_yaml
from tierwise.errors import ConfigError, UsageError

SETTINGS_FILE = "tierwise.yaml"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WANTED = {
    "dict": "a mapping of keys",
    "model": "a mapping of keys",
    "tuple": "a list",
    "list": "a list",
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "date": "a date (YYYY-MM-DD)",
    "date_from_datetime": "a date (YYYY-MM-DD)",
    "date_from_datetime_inexact": "a date (YYYY-MM-DD)",
}
"""What is wanted, by the stem of pydantic's error type."""
M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]


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
                found=f"this workspace has: {there}{_did_you_mean(name, list(self.plans))}",
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
    settings = _settings(folder, env, environ, faults)
    names = sorted(p.name for p in (folder / "models").glob("*") if (p / "model.yaml").is_file())
    plans = {name: _plan_files(folder, name, environ, faults) for name in names}
    if faults or settings is None:
        raise _all(faults)
    return Workspace(folder, settings, {name: files for name, files in plans.items() if files is not None})


def parse_plan(text: str, file: str = "model.yaml") -> Plan:
    """Read one model.yaml from its text; raises ConfigError with every fault."""
    return parse_file(Plan, text, file)


def parse_file(
    model: type[M],
    text: str,
    file: str,
    base: Mapping[str, Any] | None = None,
    check: Callable[[M], Iterable[tuple[Loc, str]]] = lambda _instance: (),
) -> M:
    """Read one YAML file of a model from its text, merged over `base`; `check` may find more (path, words).

    Raises
    ------
    ConfigError : with every fault.
    """
    faults: list[str] = []
    document = read_yaml(text)
    if base is not None and isinstance(document.value, dict):
        document.value = merged(base, document.value)
    instance = _model(model, document, file, {}, faults)
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


def _settings(folder: Path, env: str | None, environ: Mapping[str, str], faults: list[str]) -> Settings | None:
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
            found=f"{SETTINGS_FILE} has under environments: {there}{_did_you_mean(env, [str(o) for o in overlays])}",
            do=f"Name one of them with --env, or add '{env}' under environments: in {SETTINGS_FILE}",
        )
    for name, overlay in overlays.items():
        if isinstance(overlay, dict) and name != env:
            document.faults += _overlay_faults(document, str(name), overlay)
    if env is not None and isinstance(overlays[env], dict):
        document = _overlaid(document, env)
    return _model(Settings, document, SETTINGS_FILE, environ, faults)


def _overlay_faults(document: Document, name: str, overlay: dict[str, Any]) -> list[Fault]:
    """The unknown keys of an overlay, chosen or not; its values are checked when it is chosen."""
    at: Loc = ("environments", name)
    if "environments" in overlay:
        return [Fault(document.line((*at, "environments")), (*at, "environments"), "an overlay holds no overlays")]
    try:
        Settings.model_validate(overlay)
    except ValidationError as error:
        unknown = [e for e in error.errors() if e["type"] == "extra_forbidden"]
        return [_fault(Settings, document, e, at) for e in unknown]
    return []


def _overlaid(document: Document, env: str) -> Document:
    """The settings with one environment merged over them, mapping by mapping; lists are replaced."""
    prefix: Loc = ("environments", env)
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

    def one(model: type[M], stem: str) -> M | None:
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
        return _model(model, document, file, environ, faults)

    known = ("model", "policy", "plays", "icp")
    for stray in sorted((folder / "models" / name).glob("*.y*ml")):
        if stray.stem not in known or stray.suffix != ".yaml":
            near = _did_you_mean(stray.name, [f"{stem}.yaml" for stem in known])
            faults.append(f"models/{name}/{stray.name}: no such file is read here{near}")
    plan, policy, plays, icp = one(Plan, "model"), one(Policy, "policy"), one(Plays, "plays"), one(Icp, "icp")
    if plan is None or policy is None or plays is None or icp is None:
        return None
    return PlanFiles(plan, policy, plays, icp, folder / "models" / name, documents["model"])


def _model(model: type[M], document: Document, file: str, environ: Mapping[str, str], faults: list[str]) -> M | None:
    """Validate a document; its faults, in line order, are added to `faults`, and then nothing comes back."""
    found = list(document.faults)
    instance: M | None = None
    value = {} if document.value is None else document.value
    if document.value is None and found:
        pass  # nothing was read: there is nothing to validate
    elif not isinstance(value, dict):
        found.append(Fault(1, (), f"a mapping of keys is wanted; here stands {_kind_of(value)}"))
    else:
        value = _resolved(value, (), document, environ, found)
        try:
            instance = model.model_validate(value)
        except ValidationError as error:
            known = {fault.path for fault in found}
            found += [f for f in (_fault(model, document, e) for e in error.errors()) if f.path not in known]
    faults += [fault.text(file) for fault in sorted(found, key=lambda f: (f.line, dotted(f.path)))]
    return None if found else instance


def _resolved(value: Any, path: Loc, document: Document, environ: Mapping[str, str], faults: list[Fault]) -> Any:
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


def _fault(model: type[BaseModel], document: Document, error: ErrorDetails, prefix: Loc = ()) -> Fault:
    """One pydantic error as a fault; a message never repeats the value, which may come from a secret."""
    loc = tuple(part for part in error["loc"] if part != "[key]")
    says = str(error["msg"])
    kind = error["type"]
    if kind == "extra_forbidden":
        says = f"unknown key{_did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1]))}"
    elif kind == "missing":
        says = "this key is missing"
    elif kind == "value_error":
        says = says.removeprefix("Value error, ")
    elif wanted := _WANTED.get(kind.removesuffix("_type").removesuffix("_parsing")):
        says = f"{wanted} is wanted; here stands {_kind_of(error['input'])}"
    elif kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
        says = f"one of {', '.join(words)} is wanted{_did_you_mean(str(error['input']), words)}"
    else:
        says = f"{says[0].lower()}{says[1:]}"
    return Fault(document.line((*prefix, *loc)), (*prefix, *loc), says)


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a flag", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _keys_at(model: Any, loc: Loc) -> list[str]:
    """The keys that may stand at a path of a model."""
    for part in loc:
        model = _inner(model)
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = {f.alias or name: f for name, f in model.model_fields.items()}.get(str(part))
            model = field.annotation if field else None
        elif get_origin(model) in (tuple, dict):
            model = get_args(model)[0 if get_origin(model) is tuple else 1]
    model = _inner(model)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """The annotation without Annotated and None."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not types.NoneType)
    return annotation


def _did_you_mean(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
