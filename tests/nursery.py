"""Processes that start at once: each is forked from one that has imported already what they need.

A child has words, environment, folder and streams of its own, and ends by itself or is killed. What is read when a
library loads (thread counts, the hash seed, imports) is the nursery's: where that matters, take `fresh`.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "tierwise.jobs", "tierwise.cli.app", "tierwise.cli.doctor", "tierwise.cli.explained", "tierwise.cli.tables",
    "tierwise.cli.workspace", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.tracking.client",
    "alembic.command", "sqlalchemy.dialects.sqlite",
)  # fmt: skip
PATIENCE_SECONDS = 300
Done = subprocess.CompletedProcess[str]


def tierwise(*words: object, columns: int = 80, env: Mapping[str, str] | None = None) -> Done:
    """Run the command line, so many columns wide, with more in its environment."""
    return run("-m", "tierwise.cli", *words, env=_settings(columns, env))


def fresh(*words: object, columns: int = 80, env: Mapping[str, str] | None = None) -> Done:
    """The same in an interpreter that starts from nothing."""
    command = [sys.executable, "-m", "tierwise.cli", *map(str, words)]
    settings = os.environ | _settings(columns, env)
    return subprocess.run(
        command, capture_output=True, text=True, env=settings, timeout=PATIENCE_SECONDS, check=False
    )  # fmt: skip


def run(*words: object, env: Mapping[str, str] | None = None) -> Done:
    """Run `python -m MODULE WORDS` or `python -c CODE WORDS` in a child, with more in its environment."""
    told = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        asked = {"words": told, "env": os.environ | dict(env or {}), "folder": os.getcwd()}
        code = _answer(asked | {"out": str(out), "err": str(err)})
        return subprocess.CompletedProcess(told, code, out.read_text("utf-8"), err.read_text("utf-8"))


def _settings(columns: int, env: Mapping[str, str] | None) -> dict[str, str]:
    return {"COLUMNS": str(columns), "OMP_NUM_THREADS": "1"} | dict(env or {})


@cache
def _nursery() -> subprocess.Popen[str]:
    """The process that children are forked from; it ends with this one, or as its input does."""
    made = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(_end, made)
    return made


def _end(nursery: subprocess.Popen[str]) -> None:
    """End a nursery with all its children."""
    if nursery.poll() is None:
        os.killpg(nursery.pid, signal.SIGKILL)
    nursery.wait()
    for stream in filter(None, (nursery.stdin, nursery.stdout)):
        stream.close()


def _answer(asked: Mapping[str, Any]) -> int:
    """How the child ended; a signal is its number below zero."""
    nursery = _nursery()
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(json.dumps(asked) + "\n")
    nursery.stdin.flush()
    if not select.select([nursery.stdout], [], [], PATIENCE_SECONDS)[0]:
        _end(nursery)
        _nursery.cache_clear()
        raise subprocess.TimeoutExpired(asked["words"], PATIENCE_SECONDS)
    return int(nursery.stdout.readline())


def _serve() -> None:
    """Fork a child for each line that is read, and say how it ended."""
    for name in IMPORTED:
        import_module(name)
    pages = import_module("tierwise.report.page").ENVIRONMENT
    for name in pages.list_templates():
        pages.get_template(name)
    import_module("sqlalchemy.orm").configure_mappers()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: Mapping[str, Any]) -> NoReturn:
    """Be the process that was asked for."""
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    for stream, path, how in (
        (0, os.devnull, os.O_RDONLY),
        (1, asked["out"], os.O_WRONLY),
        (2, asked["err"], os.O_WRONLY),
    ):
        os.dup2(os.open(path, how | os.O_CREAT), stream)
    kind, what, *words = asked["words"]
    sys.argv = [kind, *words]
    code = 0
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
