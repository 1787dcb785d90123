"""A board at a serial port (`docs/deploy.md`)."""

import contextlib
import errno
import time
from collections.abc import Callable
from typing import Any

from lnpu.boards.protocol import LINK_BASE, LINK_ID, LINK_VERSION, MEMORY_BASE, REGISTER_BASE, LinkRegister
from lnpu.engine.config import EngineConfig
from lnpu.machine.commands import Cause
from lnpu_host.errors import HostError, LinkError
from lnpu_host.link import Link
from lnpu_host.memory import check_inside
from lnpu_sim.machine.model import Ended

__all__ = ["BAUD", "Progress", "UartDevice", "parse_uart"]

BAUD = 1_000_000
"""Default rate, as of the boards' wrapper."""
MACHINE_ID = 0x4C4E_5055
LONGEST_PAUSE = 0.02
"""Seconds between two looks at a list that runs, at most."""

_START, _ABORT, _SOFT_RESET = 1, 2, 4
_BUSY, _DONE, _CAUSES = 1, 1, 3

Progress = Callable[[str, int, int], None]
"""Called with "writing" or "reading", bytes done, and bytes in all."""


def parse_uart(text: str) -> tuple[str, int]:
    """Port and baud rate of `PORT` or `PORT:BAUD`.

    Raises:
        HostError: there is no port, or the rate is 0.
    """
    port, colon, baud = text.rpartition(":")
    if not (colon and baud.isdigit()):
        port, baud = text, str(BAUD)
    if not port or int(baud) < 1:
        raise HostError(f"`device` must be uart:PORT or uart:PORT:BAUD, not uart:{text}")
    return port, int(baud)


def _open(path: str, baud: int) -> Any:
    """The port, as pyserial has it."""
    try:
        import serial
        from serial.tools.list_ports import comports
    except ImportError:
        raise HostError("`device` uart needs pyserial: pip install 'openlnpu[uart]'") from None
    try:
        port = serial.Serial(path, baud, exclusive=True)
    except ValueError as error:
        raise HostError(f"{path}: `baud` {baud} is not possible here: {error}") from None
    except serial.SerialException as error:
        found = [port.device for port in comports()]
        reasons = {
            errno.ENOENT: f"no such port; there are {', '.join(found) or 'none'} (is the cable in?)",
            errno.EACCES: "no permission: add yourself to the group dialout (sudo usermod -aG dialout "
            "$USER) and log in again",
            errno.EBUSY: "another program has the port",
            errno.EAGAIN: "another program has the port",
            errno.ENOTTY: "this is not a serial port",
        }
        # Where it says no number, what it was raised for does.
        number = error.errno or next(iter(getattr(error.__context__, "args", ())), 0)
        raise HostError(f"{path}: {reasons.get(number, str(error))}") from None
    # USB adapters keep short answers for 16 ms unless they are told; not all can be.
    with contextlib.suppress(AttributeError, NotImplementedError, OSError, ValueError):
        port.set_low_latency_mode(True)
    return port


class UartDevice:
    """A machine on a board behind its host link: what is written and read goes over the line.

    Args:
        config: geometry that the board must have. path: of the port. baud: rate. patience: seconds to wait
        for an answer. quiet: see `Link`. limit: seconds that a list may take before it counts as hung.
        progress: told about transfers.

    Raises:
        HostError: the port cannot be opened, or what answers is not this machine.
        LinkError: nothing answers, or the link is broken.
    """

    def __init__(
        self,
        config: EngineConfig,
        path: str,
        baud: int = BAUD,
        *,
        patience: float = 2.0,
        quiet: float = 0.15,
        limit: float = 600.0,
        progress: Progress | None = None,
    ) -> None:
        # Of the registers' source; a second to import, and needed here only.
        from lnpu.regs.description import compile_registers, digest, registers

        self.config, self.path, self.limit, self.progress = config, path, limit, progress
        self.addresses = {one.name: one.address for one in registers(compile_registers(config))}
        names = [name for name in self.addresses if name.startswith(("COUNT_", "READ_", "WRITE_"))]
        self.runs = _neighbours(names, self.addresses)
        self.port = _open(path, baud)
        try:
            self.link = Link(self.port, path, baud, patience=patience, quiet=quiet)
            self.size = self._check(digest(config))
            self._clean()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the port back."""
        self.port.close()

    def _check(self, wanted: int) -> int:
        """The board's memory in bytes, when it is the right one."""
        ident, version, size = self._words(LINK_BASE + LinkRegister.ID, 3)
        if ident != LINK_ID or version != LINK_VERSION:
            raise HostError(
                f"{self.path}: what answers is no board of this version: "
                f"link {ident:#010x}, version {version}, not {LINK_ID:#010x}, version {LINK_VERSION}"
            )
        [machine] = self._registers("ID")
        if machine != MACHINE_ID:
            raise HostError(f"{self.path}: there is no machine behind the link: ID {machine:#010x}")
        [found] = self._registers("DIGEST_WORD")
        if found != wanted:
            names = ("CONFIG_LINES", "CONFIG_PES", "CONFIG_VECTOR")
            lines, pes, vector = (self._registers(name)[0] for name in names)
            raise HostError(
                f"{self.path}: the board has another configuration: digest {found:08x} ({lines} lines of "
                f"{pes} PEs, vector {vector}), not {wanted:08x}; choose its preset, or load another bitstream"
            )
        return size

    def _clean(self) -> None:
        """End what an earlier host left."""
        self._set("CONTROL", _SOFT_RESET)
        end = time.monotonic() + self.link.patience
        while self._registers("STATUS")[0] & _BUSY:
            if time.monotonic() > end:
                raise HostError(f"{self.path}: the machine does not end the list of an earlier host")

    def _words(self, address: int, count: int) -> list[int]:
        data = self._line(self.link.read, address, count)
        return [int.from_bytes(data[n : n + 4], "little") for n in range(0, 4 * count, 4)]

    def _registers(self, first: str, count: int = 1) -> list[int]:
        return self._words(REGISTER_BASE + self.addresses[first], count)

    def _set(self, first: str, *values: int) -> None:
        """Write registers that follow each other, for which twice is as good as once."""
        data = b"".join(value.to_bytes(4, "little") for value in values)
        self._line(self.link.write, REGISTER_BASE + self.addresses[first], data)

    def _line(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """A call of the link; a port that went away is a clear error."""
        try:
            return call(*arguments)
        except OSError as error:  # pyserial's errors are of this kind
            raise LinkError(f"{self.path}: the port is gone: {error}") from None

    def _note(self, what: str) -> Callable[[int, int], None] | None:
        tell = self.progress
        return None if tell is None else lambda done, total: tell(what, 4 * done, 4 * total)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        check_inside(address, len(data), self.size)
        if not data:
            return
        # The line moves words: what is around the bytes stays.
        first, end = address & ~3, -(-(address + len(data)) // 4) * 4
        before, behind = address - first, end - address - len(data)
        if before:
            data = self.read(first, before) + data
        if behind:
            data += self.read(end - behind, behind)
        self._line(self.link.write, MEMORY_BASE + first, data, self._note("writing"))

    def read(self, address: int, count: int) -> bytes:
        """Read bytes."""
        check_inside(address, count, self.size)
        first = address & ~3
        words = -(-(address + count - first) // 4)
        data = self._line(self.link.read, MEMORY_BASE + first, words, self._note("reading")) if count else b""
        return bytes(data[address - first : address - first + count])

    def run(self, address: int, words: int) -> Ended:
        """Execute a list.

        Raises:
            HostError: it does not end within the limit; it was aborted. LinkError: the board does not answer.
        """
        self._set("LIST_ADDRESS", address, words)
        self._set("IRQ_STATUS", _CAUSES)
        self._start()
        self._wait()
        cause, index, where = self._registers("ERROR_CAUSE", 3)
        return Ended(Cause(cause), index, where)

    def _start(self) -> None:
        """Start the list, once: where the answer is lost, the state says whether it was."""
        for _ in range(self.link.attempts):
            if self._line(self.link.once, REGISTER_BASE + self.addresses["CONTROL"], _START):
                return
            status, causes = self._registers("STATUS", 2)
            if status & _BUSY or causes & _DONE:
                return
        raise LinkError(f"{self.path}: the list cannot be started in {self.link.attempts} attempts")

    def _wait(self) -> None:
        end, pause = time.monotonic() + self.limit, 0.0005
        while True:
            status, causes = self._registers("STATUS", 2)
            if causes & _DONE and not status & _BUSY:
                return
            if time.monotonic() > end:
                self._set("CONTROL", _ABORT)
                raise HostError(
                    f"{self.path}: the list has not ended within {self.limit:g} s "
                    f"(status {status:#x}); it was aborted"
                )
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def counters(self) -> dict[str, int]:
        """All counters of the last list."""
        return {
            name: value
            for names in self.runs
            for name, value in zip(names, self._registers(names[0], len(names)), strict=True)
        }


def _neighbours(names: list[str], addresses: dict[str, int]) -> list[list[str]]:
    """Names in runs whose registers follow each other."""
    runs: list[list[str]] = []
    for name in sorted(names, key=addresses.__getitem__):
        if runs and addresses[name] == addresses[runs[-1][-1]] + 4:
            runs[-1].append(name)
        else:
            runs.append([name])
    return runs
