"""Where a machine is written: whole or not at all, and never over somebody else's files."""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["MANIFEST", "DirectoryError", "check_target", "install", "sha256"]

MANIFEST = "manifest.json"


class DirectoryError(Exception):
    """A directory that must not or cannot be written; says why and what to do."""


def sha256(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def _listed(target: Path) -> dict[str, str]:
    """File -> SHA-256 of what an earlier run has written; empty where the directory is not ours."""
    try:
        contents = json.loads((target / MANIFEST).read_text())
        if not str(contents["generator"]).startswith("openlnpu "):
            return {}
        return {str(row["path"]): str(row["sha256"]) for row in contents["files"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def check_target(target: Path, *, force: bool = False) -> None:
    """Raise DirectoryError unless `target` is absent, empty, or holds exactly what an earlier run wrote.

    Args:
        force: foreign files may be there (they stay), and changed ones (they are replaced).
    """
    try:
        if not target.exists():
            return
        if not target.is_dir():
            raise DirectoryError(f"`--output` must be a directory, and {target} is a file")
        found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir())
        if force or not found:
            return
        listed = _listed(target)
        if not listed:
            raise DirectoryError(
                f"`--output` must be empty or written by `lnpu generate`: {target} holds {found[0]} "
                "(--force keeps such files and writes the others)"
            )
        for name in found:
            if name == MANIFEST:
                continue
            if name not in listed:
                why = "is not from `lnpu generate` (--force keeps it)"
            elif sha256((target / name).read_bytes()) != listed[name]:
                why = "was changed since it was generated (--force replaces it)"
            else:
                continue
            raise DirectoryError(f"{target / name} {why}")
    except OSError as error:
        raise DirectoryError(f"output directory {target}: {error.strerror}") from None


def install(files: Mapping[str, bytes], target: Path, *, force: bool = False) -> None:
    """Write files (relative path -> content) into a directory, all of them or none.

    They are written beside `target` and renamed when they are complete. A directory that does not exist yet
    appears at once; in one of ours files are replaced one by one, the manifest last, and files that are no
    longer generated are removed.

    Raises:
        DirectoryError: see `check_target`, or the disk refuses.
    """
    check_target(target, force=force)
    try:
        parent = target.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        # In an existing directory the copy lies inside: its parent may belong to somebody else.
        place = target if target.is_dir() else parent
        work = Path(tempfile.mkdtemp(prefix=".lnpu-", dir=place))
        try:
            for name, data in files.items():
                path = work / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            work.chmod(0o755)  # mkdtemp's are private
            if target.is_dir():
                _replace(files, work, target)
            else:
                work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DirectoryError(f"output directory {target}: {error.strerror}") from None


def _replace(files: Mapping[str, bytes], work: Path, target: Path) -> None:
    old = _listed(target)
    for name in sorted(files, key=lambda name: name == MANIFEST):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).replace(target / name)
    for name in sorted(set(old) - set(files)):
        stale = target / name
        # A manifest is only text: what it names must lie in this directory.
        if not stale.resolve().is_relative_to(target.resolve()) or not stale.is_file():
            continue
        if sha256(stale.read_bytes()) == old[name]:
            stale.unlink()
            with contextlib.suppress(OSError):
                stale.parent.rmdir()
