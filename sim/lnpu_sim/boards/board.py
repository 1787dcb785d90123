"""A simulated board: the wrapper's Verilog, compiled, with its UART at a pseudo-terminal.

with SimulatedBoard(board_module(verilog)) as board:
    ...  # any program may open board.port as it would open /dev/ttyUSB0
"""

import os
import re
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

from lnpu_sim.rtl import RtlError, RtlModule, build

__all__ = ["SimulatedBoard", "board_module"]

CAMPAIGN = Path(__file__).with_name("pins.cpp")
QUIET = 128
"""Cycles without a bit on either wire, and two more for each byte of a command, after which the board counts
as idle; the answer comes sooner."""
NEVER = 1 << 40
CHUNK = 50_000
"""Cycles between two looks at the pseudo-terminal."""
TICK = 0.002
"""Seconds between two steps of an idle board."""

Fault = Callable[[bytes], bytes]


def board_module(verilog: str) -> RtlModule:
    """Compile a board's Verilog (module `lnpu_board`). Its memories start with anything: hosts must not read
    what nobody wrote, and the compiler is spared ten thousands of assignments."""
    blank = re.sub(r"^ *initial begin\n(?: *\w+\[\d+\] = \d+'h0+;\n)+ *end\n", "", verilog, flags=re.M)
    return build([blank], "lnpu_board", campaign=CAMPAIGN)


class SimulatedBoard:
    """Steps a board in a thread of its own and moves bytes between its wires and a pseudo-terminal.

    An idle board goes on slowly, `idle` cycles every two milliseconds, so that its own timeouts pass.

    Args:
        module: from `board_module`. divisor: cycles of a bit, as the board was made. idle: see above.

    Attributes:
        port: path that programs open. to_board, to_host: what happens to bytes on their way, for tests of
        broken links; None: nothing.

    Raises:
        RtlError: at `close`, when a byte from the board had no stop bit.
    """

    def __init__(self, module: RtlModule, *, divisor: int = 4, idle: int = 100) -> None:
        self.module, self.idle = module, idle
        self.to_board: Fault | None = None
        self.to_host: Fault | None = None
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # held open: without any opener, reading the master is an error
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._broken = False
        self._ends = False
        module.call("board_reset", divisor)
        self._thread = threading.Thread(target=self._serve, name="simulated board", daemon=True)
        self._thread.start()

    @property
    def cycles(self) -> int:
        """Cycles so far."""
        return self.module.call("board_cycles")

    def _serve(self) -> None:
        waiting, answers = b"", b""
        room = np.zeros(4096, np.uint8)
        taken = np.zeros(2, np.int64)
        while not self._ends:
            runs = bool(waiting or self.module["busy"])
            writers = [self._master] if answers else []
            readable, writable, _ = select.select([self._master], writers, [], 0 if runs else TICK)
            if readable and len(waiting) < 4096:
                came = os.read(self._master, 4096)
                waiting += self.to_board(came) if self.to_board else came
            if writable:
                answers = answers[os.write(self._master, answers) :]
            runs = runs or bool(waiting)
            given = np.frombuffer(waiting or b"\0", np.uint8)
            budget = (CHUNK, QUIET + 2 * len(waiting)) if runs else (self.idle, NEVER)
            count = self.module.call("board_run", given, len(waiting), room, len(room), *budget, taken)
            waiting = waiting[int(taken[0]) :]
            self._broken |= bool(taken[1])
            if count:
                sent = room[:count].tobytes()
                answers += self.to_host(sent) if self.to_host else sent

    def close(self) -> None:
        """Stop; the port is gone."""
        if self._ends:
            return
        self._ends = True
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)
        if self._broken:
            raise RtlError("a byte from the board has no stop bit")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
