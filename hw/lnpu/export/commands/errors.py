"""The error that a command shows to its user, and directories that are written whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["UserError", "output_directory"]


class UserError(Exception):
    """Wrong input: shown as one line, exit code 2. Say the field, the value and what is allowed."""


@contextlib.contextmanager
def output_directory(target: Path) -> Iterator[Path]:
    """A scratch directory whose files move to `target` when the block ends without an error.

    Files of the same names are replaced, others stay.

    Raises:
        UserError: `target` cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output directory {target}: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix=".lnpu-", dir=target) as scratch:
        yield Path(scratch)
        for item in sorted(Path(scratch).iterdir()):
            destination = target / item.name
            if destination.is_dir() and item.is_dir():
                shutil.rmtree(destination)
            item.replace(destination)
