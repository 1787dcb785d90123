"""A simulated board at a pseudo-terminal, until Ctrl-C: `python -m lnpu_sim.boards --preset tiny`."""

import argparse
import time

from lnpu.presets import ConfigError, engine_config, load, preset_path
from lnpu_sim.boards.board import SimulatedBoard, board_module
from lnpu_sim.rtl import RtlError

CLOCK, BAUD, TIMEOUT = 4_000_000, 1_000_000, 4000
"""Four cycles a bit, as few as can be; half a command is forgotten after 4000 cycles."""


def main() -> None:
    """Compile, say where it is, serve."""
    # The generator is needed here only, as for the device `rtl`.
    from lnpu.boards.protocol import BoardError
    from lnpu.export.board import board_verilog

    parser = argparse.ArgumentParser(prog="python -m lnpu_sim.boards", description=__doc__)
    parser.add_argument("--preset", default="tiny", help="configuration of the machine (default: tiny)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.FIELD=VALUE")
    parser.add_argument("--memory", type=int, default=64, metavar="KB", help="memory (default: 64)")
    given = parser.parse_args()
    try:
        config = engine_config(load(preset_path(given.preset), given.set))
        print("compiling (kept for the next time)", flush=True)
        module = board_module(board_verilog(config, given.memory, CLOCK, BAUD, TIMEOUT))
        with SimulatedBoard(module, idle=400) as board:
            print(f"lnpu train --device uart:{board.port}   (Ctrl-C ends)", flush=True)
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        pass
    except (ConfigError, BoardError, RtlError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
