"""MLflow as the registry: a registered model per plan, with the aliases champion and challenger."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tierwise.errors import BundleError, EnvironmentFault, UsageError
from tierwise.registry.bundle import Bundle, read_bundle

CHAMPION, CHALLENGER = "champion", "challenger"
VERSION_TAG, REPLACED_TAG = "tierwise.version", "tierwise.replaced"
BESIDE_TAG, OVERRULED_TAG = "tierwise.beside", "tierwise.overruled"
FOLDER = "bundle"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
"""What MLflow reads from the environment; what the user has set stands."""


@dataclass(frozen=True)
class Version:
    """One registered version of a plan's model: its number, its bundle's version and its aliases.

    beside: how it compared with the model that was live when it was registered. overruled: by whom the gate was, and
    why.
    """

    number: int
    bundle: str
    aliases: tuple[str, ...]
    beside: Mapping[str, Any] = field(default_factory=dict)
    overruled: str = ""


class Registry:
    """A model registry.

    uri: an MLflow tracking URI; by default SQLite in `root`. root: where artifacts are kept, unless a server keeps
    them. Nothing is imported or opened before it is asked for.
    """

    def __init__(self, uri: str | None, root: Path) -> None:
        self.root = Path(root)
        self.uri = uri or f"sqlite:///{self.root / 'registry.db'}"

    def register(
        self,
        plan: str,
        folder: Path,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        beside: Mapping[str, Any] | None = None,
        *,
        threads: int = 1,
    ) -> int:
        """Register a bundle as a new version of the plan's model: the challenger, or the champion if there is neither.

        beside: how it compares with the live model, as JSON values; no part of the bundle, whose bytes do not depend on
        what is live.

        Raises
        ------
        BundleError : the folder does not hold a sound bundle.
        EnvironmentFault : the registry cannot be reached or written.
        """
        bundle = read_bundle(folder, threads=threads)
        with self._client() as client:
            from mlflow.entities import Metric, Param

            run = client.create_run(self._experiment(client, plan), run_name=bundle.version[:12]).info
            measured = [Metric(str(k), float(v), 0, 0) for k, v in sorted(metrics.items()) if v is not None and v == v]
            said = [Param(str(k), str(v)[:500]) for k, v in sorted(params.items())]
            client.log_batch(run.run_id, metrics=measured, params=said)
            client.log_artifacts(run.run_id, str(folder), FOLDER)
            client.set_terminated(run.run_id)
            if self._model(client, plan) is None:
                client.create_registered_model(plan)
            source = f"{run.artifact_uri}/{FOLDER}"
            tags = {VERSION_TAG: bundle.version, BESIDE_TAG: json.dumps(dict(beside or {}), sort_keys=True)}
            made = client.create_model_version(plan, source, run.run_id, tags=tags)
            alias = CHALLENGER if self._aliases(client, plan) else CHAMPION
            client.set_registered_model_alias(plan, alias, str(made.version))
            return int(made.version)

    def live(self, plan: str, *, threads: int = 1) -> Bundle:
        """The champion, downloaded and verified.

        Raises
        ------
        UsageError : the plan has no live model.
        BundleError : what the registry holds is not what was registered.
        """
        return self.live_version(plan, threads=threads)[1]

    def live_version(self, plan: str, *, threads: int = 1) -> tuple[int, Bundle]:
        """The champion's number and its bundle, of one look at the aliases; errors as `live`."""
        return self._load(plan, CHAMPION, threads)

    def challenger(self, plan: str, *, threads: int = 1) -> Bundle:
        """The challenger, downloaded and verified; errors as `live`."""
        return self._load(plan, CHALLENGER, threads)[1]

    def of_version(self, plan: str, bundle: str, *, threads: int = 1) -> Bundle:
        """The bundle of a version (the manifest's SHA-256, as published rows name it); errors as `live`."""
        with self._client() as client:
            found = client.search_model_versions(f"name = '{plan}'") if self._model(client, plan) else []
            numbers = sorted(int(v.version) for v in found if v.tags.get(VERSION_TAG) == bundle)
            if not numbers:
                raise UsageError(
                    f"The model {bundle[:12]} of plan '{plan}' was asked for",
                    found=f"the registry holds {len(found)} versions, and none of them is that",
                    do="Restore the registry from a backup, or compare with a later run",
                )
            return self._read(client, plan, numbers[0], threads)

    def versions(self, plan: str) -> tuple[Version, ...]:
        """Every registered version, oldest first; none if the plan has never been trained.

        Where the registry is a file that is not there yet, MLflow is not asked, which would make it.
        """
        file = self._sqlite_file()
        if file is not None and not file.exists():
            return ()
        with self._client() as client:
            aliases = self._aliases(client, plan)
            found = client.search_model_versions(f"name = '{plan}'") if self._model(client, plan) else []
            return tuple(
                Version(
                    int(v.version),
                    str(v.tags.get(VERSION_TAG, "")),
                    tuple(sorted(a for a, n in aliases.items() if n == int(v.version))),
                    json.loads(v.tags.get(BESIDE_TAG, "{}")),
                    str(v.tags.get(OVERRULED_TAG, "")),
                )
                for v in sorted(found, key=lambda v: int(v.version))
            )

    def promote(self, plan: str, overruled: str = "") -> int:
        """Make the challenger the champion, and remember which it replaced; gives the new champion's number.

        overruled: who overruled the gate, and why; kept with the version.

        Raises
        ------
        UsageError : there is no challenger.
        """
        with self._client() as client:
            aliases = self._aliases(client, plan)
            new, old = self._held(aliases, plan, CHALLENGER), aliases.get(CHAMPION)
            if old is not None and old != new:
                client.set_model_version_tag(plan, str(new), REPLACED_TAG, str(old))
            if overruled:
                client.set_model_version_tag(plan, str(new), OVERRULED_TAG, overruled[:500])
            client.set_registered_model_alias(plan, CHAMPION, str(new))
            client.delete_registered_model_alias(plan, CHALLENGER)
            return new

    def rollback(self, plan: str) -> int:
        """Make the model that the champion replaced the champion again, and the champion the challenger.

        Raises
        ------
        UsageError : there is no champion, or it replaced none.
        """
        with self._client() as client:
            now = self._held(self._aliases(client, plan), plan, CHAMPION)
            old = client.get_model_version(plan, str(now)).tags.get(REPLACED_TAG)
            if old is None:
                raise UsageError(
                    f"The live model of plan '{plan}' was to be rolled back",
                    found=f"version {now} has replaced no other",
                    do="Train and promote, or score with rules only",
                )
            client.set_registered_model_alias(plan, CHAMPION, old)
            client.set_registered_model_alias(plan, CHALLENGER, str(now))
            return int(old)

    def step_down(self, plan: str) -> int:
        """Make the champion the challenger, so that no model is live; gives its number.

        Raises
        ------
        UsageError : there is no champion.
        """
        with self._client() as client:
            now = self._held(self._aliases(client, plan), plan, CHAMPION)
            client.set_registered_model_alias(plan, CHALLENGER, str(now))
            client.delete_registered_model_alias(plan, CHAMPION)
            return now

    def replaced(self, plan: str) -> int | None:
        """Which version the champion replaced; None where it replaced none.

        Raises
        ------
        UsageError : there is no champion.
        """
        with self._client() as client:
            now = self._held(self._aliases(client, plan), plan, CHAMPION)
            old = client.get_model_version(plan, str(now)).tags.get(REPLACED_TAG)
            return None if old is None else int(old)

    def _load(self, plan: str, alias: str, threads: int) -> tuple[int, Bundle]:
        with self._client() as client:
            number = self._held(self._aliases(client, plan), plan, alias)
            return number, self._read(client, plan, number, threads)

    def _read(self, client: Any, plan: str, number: int, threads: int) -> Bundle:
        version = client.get_model_version(plan, str(number))
        with tempfile.TemporaryDirectory() as scratch:
            beside = self._artifacts(plan) / version.run_id / "artifacts" / FOLDER
            try:
                kept = not self._remote() and beside.is_dir()
                folder = beside if kept else Path(client.download_artifacts(version.run_id, FOLDER, scratch))
            except OSError as error:
                raise BundleError(
                    f"Version {number} of plan '{plan}' was to be read",
                    found="its files are not where the registry keeps them",
                    do="Restore the registry's artifacts, or train again",
                ) from error
            return read_bundle(folder, version=str(version.tags.get(VERSION_TAG, "")), threads=threads)

    def _held(self, aliases: Mapping[str, int], plan: str, alias: str) -> int:
        if alias in aliases:
            return aliases[alias]
        word = "live model" if alias == CHAMPION else "challenger"
        raise UsageError(
            f"The {word} of plan '{plan}' was asked for",
            found=f"the registry holds none (aliases set: {', '.join(sorted(aliases)) or 'none'})",
            do="Run `tierwise train`",
        )

    def _experiment(self, client: Any, plan: str) -> str:
        """The plan's experiment; where the folder of artifacts has moved since it was made, another one."""
        local = None if self._remote() else self._artifacts(plan).resolve().as_uri()
        for name in (plan, f"{plan} in {local}"):
            found = client.get_experiment_by_name(name)
            if found is None:
                return str(client.create_experiment(name, artifact_location=local))
            if local is None or found.artifact_location == local:
                return str(found.experiment_id)
        raise OSError(f"the experiment '{name}' keeps its artifacts in {found.artifact_location}, not in {local}")

    def _artifacts(self, plan: str) -> Path:
        """Where a registry without a server keeps the plan's bundles; they move with it."""
        return self.root / "artifacts" / plan

    @staticmethod
    def _model(client: Any, plan: str) -> Any:
        return next(iter(client.search_registered_models(f"name = '{plan}'", max_results=1)), None)

    def _aliases(self, client: Any, plan: str) -> dict[str, int]:
        model = self._model(client, plan)
        return {} if model is None else {str(k): int(v) for k, v in model.aliases.items()}

    def _remote(self) -> bool:
        return self.uri.startswith(("http://", "https://", "databricks"))

    def _sqlite_file(self) -> Path | None:
        """The file that the registry is, if it is one."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(self.uri.removeprefix("sqlite:///").split("?")[0])

    def _check_sqlite(self) -> None:
        """Fail at once where MLflow would try ten times to open a file that it cannot."""
        path = self._sqlite_file()
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                if file.read(16) not in (b"", b"SQLite format 3\0"):
                    raise OSError(f"{path} is not an SQLite database")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(f"{path} cannot be written")

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """An MLflow client, quiet and impatient; whatever goes wrong in it is a fault of the environment."""
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            self._check_sqlite()
            import mlflow
            from mlflow.exceptions import MlflowException
        except OSError as error:
            raise self._fault(error) from error
        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        except (MlflowException, OSError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> EnvironmentFault:
        parts = urlsplit(self.uri)
        port = f":{parts.port}" if parts.port else ""
        where = f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
        return EnvironmentFault(
            f"The model registry at {where} was asked",
            found=re.sub(r"//[^/@\s]*@", "//", str(error).split("\n")[0])[:300] or type(error).__name__,
            do="Check that it is running and may be written, then run the same command again",
        )
