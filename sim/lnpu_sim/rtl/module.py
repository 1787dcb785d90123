"""One instance of a compiled module: ports by name, clock cycles, streams, campaigns, waves and coverage."""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lnpu_sim.rtl import native, streams
from lnpu_sim.rtl.native import Port
from lnpu_sim.rtl.streams import NEVER, Sink, Source, Stall, StreamResult
from lnpu_sim.rtl.toolchain import RtlError

__all__ = ["RtlModule"]


class RtlModule:
    """One instance of a compiled module; `module["port"]` reads and writes ports as unsigned integers.

    Writing takes negative integers down to the smallest signed value. Outputs follow after `eval` or `step`.
    Use it as a context manager, or call `close`, to finish a waveform.
    """

    def __init__(self, directory: Path, *, clock: str = "clk", reset: str = "rst", seed: int = 1):
        self.directory = directory
        self.ports = {port.name: port for port in native.read_ports((directory / "Vtop.h").read_text())}
        self.clock = clock if clock in self.ports else None
        self.reset_port = reset if reset in self.ports else None
        library = ctypes.CDLL(str(directory / "model.so"))
        library.lnpu_new.restype = ctypes.c_void_p
        library.lnpu_port.restype = ctypes.c_void_p
        library.lnpu_sizes.restype = ctypes.c_uint64
        mirrored = (native.Field, native.Stream, native.Run)
        if [library.lnpu_sizes(i) for i in range(3)] != [ctypes.sizeof(kind) for kind in mirrored]:
            raise RtlError("the structures in native.py and shim.cpp differ")
        self._library = library
        self._handle = ctypes.c_void_p(library.lnpu_new(seed))
        self._addresses = {
            name: int(library.lnpu_port(self._handle, index)) for index, name in enumerate(self.ports)
        }
        self._views = {
            name: (ctypes.c_uint8 * port.bytes).from_address(self._addresses[name])
            for name, port in self.ports.items()
        }
        if self.clock is not None:
            library.lnpu_set_clock(self._handle, ctypes.c_void_p(self._addresses[self.clock]))
        self.reset()

    # ---- ports ---------------------------------------------------------------------------------------------
    def port(self, name: str) -> Port:
        """The port of that name.

        Raises:
            RtlError: there is none; the message lists the ports.
        """
        try:
            return self.ports[name]
        except KeyError:
            raise RtlError(f"no port {name!r}; the module has {', '.join(self.ports)}") from None

    def address(self, name: str, *, output: bool) -> int:
        """Address of the port's storage, after a check of its direction."""
        if self.port(name).output != output:
            raise RtlError(f"port {name} is an {'input' if output else 'output'}")
        return self._addresses[name]

    def __getitem__(self, name: str) -> int:
        self.port(name)
        return int.from_bytes(self._views[name], "little")

    def __setitem__(self, name: str, value: int) -> None:
        port = self.port(name)
        self.address(name, output=False)
        value = int(value)
        if not -(1 << port.bits - 1) <= value < 1 << port.bits:
            raise RtlError(f"port {name}: value {value} does not fit {port.bits} bits")
        data = (value % (1 << port.bits)).to_bytes(port.bytes, "little")
        ctypes.memmove(self._addresses[name], data, port.bytes)

    # ---- time ----------------------------------------------------------------------------------------------
    def eval(self) -> None:
        """Settle combinational logic."""
        self._library.lnpu_eval(self._handle)

    def step(self, cycles: int = 1) -> None:
        """Run clock cycles with the inputs as they are, then settle."""
        self._library.lnpu_step(self._handle, ctypes.c_uint64(cycles))

    def reset(self, cycles: int = 2) -> None:
        """Hold reset for some cycles; without a reset port, settle."""
        if self.reset_port is None or self.clock is None:
            self.eval()
            return
        self[self.reset_port] = 1
        self.step(cycles)
        self[self.reset_port] = 0
        self.eval()

    # ---- streams -------------------------------------------------------------------------------------------
    def run_stream(
        self,
        inputs: Mapping[str, ArrayLike],
        outputs: Sequence[str],
        *,
        in_valid: str | None = "i_valid",
        in_ready: str | None = "i_ready",
        out_valid: str | None = "o_valid",
        out_ready: str | None = "o_ready",
        source_stall: Stall = NEVER,
        sink_stall: Stall = NEVER,
        beats: int | None = None,
        seed: int = 1,
        idle_limit: int = 1000,
        settle: int = 8,
        until_quiet: bool = False,
    ) -> StreamResult:
        """Play beats through a unit with one input and one output stream, in C++.

        Ports that are not named keep their values. While valid is low the payload is random. The output is
        checked: valid and payload hold until taken, no beat after the last expected one.

        Args:
            inputs: port name -> values; see `Source`.
            outputs: payload ports to collect.
            in_valid: handshake ports, None where the unit has none; see `Source` and `Sink`.
            in_ready: as above.
            out_valid: as above.
            out_ready: as above.
            source_stall: when beats are offered; `STALL_PATTERNS` has the named pairs.
            sink_stall: when beats are taken.
            beats: output beats to wait for; default as many as go in.
            seed: of random stalls and of the payload while valid is low.
            idle_limit: cycles without a transfer that are a hang.
            settle: cycles to go on after the last beat, watching for one too many.
            until_quiet: the number of beats is not known: end after `idle_limit` idle cycles with all input
                taken; `beats` is then the largest number that may come.

        Raises:
            StreamError: a rule is broken, or a hang.
            RtlError: a port does not exist or a value does not fit.
        """
        source = Source(inputs, in_valid, in_ready, source_stall)
        sink = Sink(outputs, out_valid, out_ready, sink_stall, beats)
        return self.run_streams(
            [source], [sink], seed=seed, idle_limit=idle_limit, settle=settle, until_quiet=until_quiet
        )

    def run_streams(self, sources: Sequence[Source], sinks: Sequence[Sink], **options: Any) -> StreamResult:
        """`run_stream` for any number of input and output streams; options as there."""
        return streams.run_streams(self, sources, sinks, **options)

    def run_native(self, sources: Any, n_sources: int, sinks: Any, n_sinks: int, settings: native.Run) -> int:
        """The C++ driver on prepared structures (used by `streams`)."""
        run_c = self._library.lnpu_run
        return int(run_c(self._handle, sources, n_sources, sinks, n_sinks, ctypes.byref(settings)))

    # ---- campaigns, waves, coverage ------------------------------------------------------------------------
    def call(self, function: str, *arguments: "int | float | NDArray[Any]") -> int:
        """Call an LNPU_API function of the campaign: `int64_t function(Harness&, ...)`.

        Integers arrive as 64-bit, floats as double, arrays as pointers to their (contiguous) data.
        """
        try:
            entry = getattr(self._library, function)
        except AttributeError:
            raise RtlError(f"the campaign has no LNPU_API function {function!r}") from None
        entry.restype = ctypes.c_int64
        converted: list[Any] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                if not argument.flags.c_contiguous:
                    raise RtlError(f"{function}: array arguments must be C-contiguous")
                converted.append(ctypes.c_void_p(argument.ctypes.data))
            elif isinstance(argument, float):
                converted.append(ctypes.c_double(argument))
            else:
                converted.append(ctypes.c_uint64(int(argument) % 2**64))
        return int(entry(self._handle, *converted))

    def trace(self, path: Path | None) -> None:
        """Write a waveform to `path` from now on; None ends it. Needs `build(trace=...)`; 10 ns a cycle."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not self._library.lnpu_trace(self._handle, None if path is None else str(path).encode()):
            raise RtlError(
                f"no waveform at {path}: build with trace='vcd' or 'fst', into a writable directory"
            )

    def write_coverage(self, path: Path) -> None:
        """Write the counts so far in Verilator's coverage.dat format. Needs `build(coverage=True)`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._library.lnpu_coverage(self._handle, str(path).encode()):
            raise RtlError("build with coverage=True to write coverage")

    def close(self) -> None:
        """Finish the waveform and free the instance; it cannot be used afterwards."""
        if self._handle:
            self._library.lnpu_delete(self._handle)
            self._handle = ctypes.c_void_p(None)
            self._views.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # At exit the modules that `close` needs may be gone, and the process gives everything back anyway.
        if getattr(self, "_handle", None) and not sys.is_finalizing():
            self.close()
