"""Export of the codec's blocks: Verilog with fixed flat ports, manifest and file list."""

from collections.abc import Callable
from pathlib import Path

from amaranth.hdl import Value
from amaranth.lib import data, wiring

from lnpu.codec.blocks import BLOCKS
from lnpu.codec.config import CodecConfig
from lnpu.export.unit import manifest, write_unit
from lnpu.export.verilog import to_verilog

__all__ = ["codec_verilog", "export_codec", "flat_ports"]


PORT_DOCS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "command_n": "images, 1 to 65535",
    "command_h": "image rows, 1 to 65535",
    "command_w": "pixels of a row, 1 to 65535",
    "command_c": "channels, 1 to 65535",
    "command_bias": "signed: exponent bias, -8 to 7",
    "command_k8": "run width of the fp8 group: 1, 2, 4",
    "command_k16": "run width of the fp16 group: 4, 6",
    "command_pointer_address": "copied to the descriptor",
    "command_data_address": "copied to the descriptor",
    "command_blocks": "blocks of the row, 1 to 65535",
    "command_length": "elements of a block, 1 to 64",
    "command_count_bits": "bits of a header count, 1 to 7",
    "i_elements": "vector of elements, channel ascending, lane 0 low",
    "i_data": "64-bit word of a row",
    "i_last": "the row's last word",
    "o_data": "64-bit word of a row",
    "o_last": "the row's last word, or the block's last beat",
    "o_elements": "vector of fp16 elements, lane 0 low",
    "o_index": "element of the block, 0 to 63",
    "o_value": "fp16 code, or fp8 code in the low byte",
    "o_wide": "1: the value is fp16",
    "o_entry": "the beat carries an element",
    "o_bad": "with o_last: the block was malformed and is empty",
    "meta_data": "word of the pointer table or the descriptor",
    "meta_descriptor": "1: the word belongs to the descriptor",
    "meta_last": "the tensor's last word",
    "invalid": "sticky: NaN or infinity was met",
    "errors": "sticky causes: COUNT, INDEX, VALUE, ESCAPE, OVERLAP, TRUNCATED, TRAILING (bit 0 first)",
    "clear": "clears the sticky bits",
    **{f"{stream}_valid": "the beat is offered" for stream in ("command", "i", "o", "meta")},
    **{f"{stream}_ready": "the beat is taken at the clock edge" for stream in ("command", "i", "o", "meta")},
}
"""What each port carries; the same name means the same thing in all blocks."""


def _fields(name: str, value: data.View, out: bool) -> dict[str, tuple[object, bool]]:
    """The fields of a structure, nested ones too."""
    ports: dict[str, tuple[object, bool]] = {}
    for key, field in value.shape():
        if isinstance(field.shape, data.StructLayout):
            ports.update(_fields(f"{name}_{key}", value[key], out))
        else:
            ports[f"{name}_{key}"] = (value[key], out)
    return ports


def flat_ports(unit: wiring.Component) -> dict[str, tuple[object, bool]]:
    """Ports by flat name: a stream `x` gives x_valid, x_ready and x_<field> for each payload field; a
    structure gives its fields, an array `x` x0, x1 ..."""
    ports: dict[str, tuple[object, bool]] = {}
    members = list(unit.signature.flatten(unit))
    heads = [path[:-1] or path for path, _, _ in members]
    # The handshake in front of what it carries.
    order = sorted(range(len(members)), key=lambda n: (heads.index(heads[n]), members[n][0][-1] == "payload"))
    for path, member, signal in (members[n] for n in order):
        out = member.flow is wiring.Out
        *names, last = path
        if last != "payload":
            names.append(last)
        name = "".join(
            str(part) if isinstance(part, int) else f"_{part}" if n else part for n, part in enumerate(names)
        )
        if isinstance(signal, data.View) and isinstance(signal.shape(), data.StructLayout):
            ports.update(_fields(name, signal, out))
        else:
            ports[name] = (signal, out)
    return ports


def _unit(name: str, config: CodecConfig) -> tuple[wiring.Component, str]:
    make: Callable[[CodecConfig], wiring.Component] = BLOCKS[name]
    return make(config), "lnpu_" + name.replace("-", "_")


def codec_verilog(name: str, config: CodecConfig) -> str:
    """Verilog text of a block ("codec-encoder" ...)."""
    return _elaborate(name, config)[0]


def _elaborate(name: str, config: CodecConfig) -> tuple[str, dict]:
    """Verilog text and manifest: configuration, ports, digest."""
    unit, top = _unit(name, config)
    verilog = to_verilog(unit, top, flat_ports(unit))
    clocked = [("clk", False, 1), ("rst", False, 1)]
    ports = [(port, out, len(Value.cast(signal))) for port, (signal, out) in flat_ports(unit).items()]
    rows = [
        {
            "name": port,
            "direction": "output" if out else "input",
            "width": width,
            "doc": PORT_DOCS[port],
        }
        for port, out, width in clocked + ports
    ]
    return verilog, manifest(top, verilog, config.as_dict(), rows)


def export_codec(name: str, config: CodecConfig, directory: Path) -> dict:
    """Write the Verilog, `manifest.json` and a file list into a directory (created if missing).

    Returns:
        The manifest.
    """
    verilog, contents = _elaborate(name, config)
    return write_unit(directory, verilog, contents)
