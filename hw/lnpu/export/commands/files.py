"""Arrays in, files out: whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lnpu.export.commands.errors import UserError

__all__ = ["read_array", "write_bytes"]

_NPY = b"\x93NUMPY"


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """An array from a .npy file.

    Raises:
        UserError: not such a file, or it holds Python objects. OSError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(_NPY)) != _NPY:
                raise UserError(f"{path}: not a .npy file")
            stream.seek(0)
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: not a .npy array ({error})") from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader never sees half of it, and a failure leaves nothing behind.

    Raises:
        UserError: the directory does not exist or cannot be written.
    """
    try:
        _replace(path, data)
    except OSError as error:
        # The system's error names the temporary file, which means nothing to the user.
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
