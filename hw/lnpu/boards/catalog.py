"""The boards that are known by name: where their pins are declared, which machine fits, how to load it."""

from dataclasses import dataclass

from lnpu.boards.protocol import BoardError

__all__ = ["BOARDS", "Board", "Device", "board"]


@dataclass(frozen=True)
class Device:
    """What an FPGA has.

    Args:
        name: as its maker writes it. lut4: tables of four inputs. bram: block RAMs. bram_kbit: of each, data
            and parity bits. dsp: multiplier blocks. family: `ecp5`, `ice40`, `gowin`, `xilinx`.
    """

    name: str
    family: str
    lut4: int
    bram: int
    bram_kbit: int
    dsp: int


ECP5_85 = Device("LFE5U-85F", "ecp5", 83640, 208, 18, 156)
ECP5_25 = Device("LFE5U-25F", "ecp5", 24288, 56, 18, 28)
UP5K = Device("iCE40UP5K", "ice40", 5280, 30, 4, 8)
GW1NR_9 = Device("GW1NR-9C", "gowin", 8640, 26, 18, 20)
ARTIX_100 = Device("XC7A100T", "xilinx", 63400, 270, 18, 240)


@dataclass(frozen=True)
class Board:
    """A board and the design it gets unless told otherwise.

    Args:
        name: for the command line. title: for people.
        platform: `module:class` in amaranth_boards, where its pins stand. device: its FPGA.
        preset: machine. settings: changes to it, as `--set`. memory_kb: memory behind the machine.
        clock_hz: of the machine; made by the PLL where the board's own differs (ECP5).
        baud: of the host link. leds: resource, number and part ("" for all of it) of busy and error.
        uart_pins: receive and transmit (seen from the FPGA) as `connector_number:pin`, for a board without
            a serial port of its own.
        loader: name for openFPGALoader's `-b`, or "".
        seed: of the placer.
    """

    name: str
    title: str
    platform: str
    device: Device
    preset: str
    memory_kb: int
    clock_hz: int
    baud: int
    leds: tuple[tuple[str, int, str], tuple[str, int, str]]
    settings: tuple[str, ...] = ()
    uart_pins: tuple[str, str] | None = None
    loader: str = ""
    seed: int = 1


_LEDS = (("led", 0, ""), ("led", 1, ""))
_RGB = (("rgb_led", 0, "g"), ("rgb_led", 0, "r"))

BOARDS = {
    item.name: item
    for item in (
        Board(
            "ulx3s-85f",
            "Radiona ULX3S with an LFE5U-85F",
            "ulx3s:ULX3S_85F_Platform",
            ECP5_85,
            "edge",
            memory_kb=184,
            clock_hz=50_000_000,
            baud=2_000_000,
            leds=_LEDS,
            loader="ulx3s",
        ),
        Board(
            "ecpix5-85f",
            "LambdaConcept ECPIX-5 with an LFE5UM5G-85F",
            "ecpix5:ECPIX585Platform",
            ECP5_85,
            "edge",
            memory_kb=184,
            clock_hz=50_000_000,
            baud=2_000_000,
            leds=_RGB,
            loader="ecpix5",
        ),
        Board(
            "orangecrab-25f",
            "OrangeCrab r0.2 with an LFE5U-25F; serial port at the pins 0 (receive) and 1 (transmit)",
            "orangecrab_r0_2:OrangeCrabR0_2_25FPlatform",
            ECP5_25,
            "tiny",
            memory_kb=32,
            clock_hz=48_000_000,
            baud=2_000_000,
            leds=_RGB,
            uart_pins=("io_0:0", "io_0:1"),
            loader="orangecrab",
        ),
        Board(
            "arty-a7-100",
            "Digilent Arty A7-100",
            "arty_a7:ArtyA7_100Platform",
            ARTIX_100,
            "edge",
            memory_kb=256,
            clock_hz=50_000_000,
            baud=2_000_000,
            leds=_LEDS,
            loader="arty_a7_100t",
        ),
    )
}
"""By name."""


def board(name: str) -> Board:
    """The board of that name.

    Raises:
        BoardError: there is none.
    """
    if name not in BOARDS:
        raise BoardError(f"`board` must be one of {', '.join(BOARDS)}, not {name}")
    return BOARDS[name]
