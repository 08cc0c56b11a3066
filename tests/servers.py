"""A PostgreSQL server of the tests' own, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of our own in a temporary folder, on a socket, without a port; `clerk` needs a password."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if not found:
        pytest.skip("PostgreSQL is not installed: no initdb under /usr/lib/postgresql")
    home = Path(tempfile.mkdtemp(prefix="tierwise-pg-"))
    become: list[str] = []
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses root, and there is no user postgres to become")
        os.chown(home, user.pw_uid, user.pw_gid)
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data, binaries = home / "data", found[-1].parent

    def run(*command: str) -> None:
        done = subprocess.run([*become, *command], cwd=home, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    run(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    hba = data / "pg_hba.conf"
    hba.write_text("local all clerk scram-sha-256\n" + hba.read_text())
    options = f"-c listen_addresses= -k {home} -c fsync=off -c max_connections=20"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield f"host={home}"
    finally:
        run(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture
def postgresql_url(postgresql: str, tmp_path: Path) -> str:
    """An empty PostgreSQL database."""
    name = "t" + "".join(c for c in tmp_path.name.lower() if c.isalnum())[-40:]
    psql(postgresql, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://postgres:hidden@/{name}?{postgresql}"


def psql(server: str, *statements: str, database: str = "postgres") -> None:
    """Run statements, each in a transaction of its own."""
    import psycopg

    with psycopg.connect(f"{server} user=postgres dbname={database}", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]
