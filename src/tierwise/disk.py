"""Durable files and folders: written, synced, renamed; what the disk refuses is an EnvironmentFault."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tierwise.errors import EnvironmentFault

DO = {
    errno.ENOSPC: "Free some space on this disk, then run it again",
    errno.EDQUOT: "Free some space in this user's quota, then run it again",
    errno.EFBIG: "Raise this user's limit on file sizes, then run it again",
    errno.EROFS: "Publish to a disk that can be written: published: in tierwise.yaml",
    errno.EACCES: "Give this user the right to write there, or publish elsewhere: published: in tierwise.yaml",
    errno.EPERM: "Give this user the right to write there, or publish elsewhere: published: in tierwise.yaml",
    errno.EEXIST: "Name a folder under published: in tierwise.yaml",
    errno.ENOTDIR: "Name a folder under published: in tierwise.yaml",
}


@contextmanager
def disk(asked: str) -> Iterator[None]:
    """Turn an OSError into an EnvironmentFault that names the path and what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise EnvironmentFault(
            asked,
            found=f"the disk refused: {error.strerror or error}{where}",
            do=DO.get(error.errno or 0, "Check this disk, then run it again"),
        ) from error


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file, and return once its bytes are on the disk; an older file of the name is replaced in place."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Return once the folder's names are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each name synced into the folder above."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def point(pointer: Path, text: str, temporary: Path) -> None:
    """Let a file hold a text from one instant to the next: a reader sees the old text or the new one."""
    write_synced(temporary, text.encode())
    os.replace(temporary, pointer)
    sync_folder(pointer.parent)


def replace_text(path: Path, text: str) -> None:
    """Let a file of the user's hold another text, seen whole or not at all.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    with disk(f"{path} was written"):
        point(path, text, path.with_name(f".{path.name}.new"))


def remove_folder(folder: Path) -> None:
    """Remove a folder of a hidden name, and let that be known on the disk."""
    shutil.rmtree(folder)
    sync_folder(folder.parent)
