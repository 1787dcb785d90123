"""Files of a training: whole or not at all."""

import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu_host.errors import HostError

__all__ = ["load_state", "save_state", "write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        mask = os.umask(0)  # the temporary file is the user's alone; the file is as any other
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save_state(path: Path, state: dict[str, NDArray[Any]]) -> None:
    """Arrays as .npz.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **state)
    write_whole(path, buffer.getvalue())


def load_state(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a checkpoint.

    Raises:
        HostError: it is none, or cannot be read.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except OSError as error:
        raise HostError(f"{path}: {error.strerror or 'not a checkpoint'}") from None
    except (ValueError, zipfile.BadZipFile, EOFError):
        raise HostError(f"{path}: not a checkpoint") from None
