"""The rules of a valid/ready unit as formal properties of its exported Verilog."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["COVERS", "RULES", "StreamUnit", "harness"]

RULES = {
    "hold": "if (o_wait) assert (o_valid);",
    "payload": "if (o_wait && o_valid) assert (o_payload == o_held);",
    "no_output_without_input": "if (o_valid) assert (tokens != 0 || i_valid);",
    "capacity": "assert (tokens <= CAPACITY);",
}
"""Rule -> assertion: a beat stays offered; its payload stays; outputs have inputs; no input is lost."""

COVERS = {
    "stalled": "if (o_wait && !rst && o_valid && !o_ready) assert (0);",
    "full": "if (tokens == CAPACITY) assert (0);",
    "flows": "if (taken == 3) assert (0);",
}
"""Situation -> assertion that fails when it is reached: without them a proof may be empty."""


@dataclass(frozen=True)
class StreamUnit:
    """A flat unit with one input and one output stream.

    Args:
        top: module name.
        ports: name -> (width, whether the unit drives it); must hold i_valid, i_ready, o_valid, o_ready.
            `clk` and `rst` may be absent (a combinational unit); other `i_*` and `o_*` are payload, further
            inputs are constant while the unit works.
        capacity: beats that may be inside after the clock edge (the unit's register ranks), 0 to 200.
    """

    top: str
    ports: Mapping[str, tuple[int, bool]]
    capacity: int

    def __post_init__(self) -> None:
        missing = {"i_valid", "i_ready", "o_valid", "o_ready"} - set(self.ports)
        assert not missing, f"{self.top} has no port {', '.join(sorted(missing))}"

    def payload(self, prefix: str) -> list[str]:
        """Payload ports of the stream `i` or `o`."""
        handshake = (f"{prefix}_valid", f"{prefix}_ready")
        return [name for name in self.ports if name.startswith(f"{prefix}_") and name not in handshake]

    def width(self, prefix: str) -> int:
        """Payload bits of a stream."""
        return sum(self.ports[name][0] for name in self.payload(prefix))

    @property
    def settings(self) -> list[str]:
        """Inputs that belong to no stream."""
        known = {"clk", "rst", "i_valid", "o_ready", *self.payload("i")}
        return [name for name, (_, output) in self.ports.items() if not output and name not in known]


def harness(unit: StreamUnit, check: str) -> str:
    """SystemVerilog module `stream_rules` that instantiates the unit under free inputs.

    The source keeps the rules too (that is assumed), reset is active in the first cycle and free afterwards.

    Args:
        unit: what to instantiate.
        check: the statement to check in every cycle, from `RULES` or `COVERS`.
    """

    def declare(name: str, kind: str) -> str:
        return f"{kind} [{unit.ports[name][0] - 1}:0] {name}"

    inputs = ["input clk", "input rst"]
    inputs += [
        declare(name, "input")
        for name, (_, output) in unit.ports.items()
        if not output and name not in ("clk", "rst")
    ]
    wires = [f"  {declare(name, 'wire')};" for name, (_, output) in unit.ports.items() if output]
    connect = ", ".join(f".{name}({name})" for name in unit.ports)
    steady = unit.settings
    constants = [
        f"  reg [{unit.ports[name][0] - 1}:0] {name}_was; always @(posedge clk) {name}_was <= {name};\n"
        f"  always @* if (!first) assume ({name} == {name}_was);"
        for name in steady
    ]
    payload = {prefix: ", ".join(unit.payload(prefix)) or "1'b0" for prefix in "io"}
    return f"""
module stream_rules({", ".join(inputs)});
  localparam CAPACITY = {unit.capacity};
{chr(10).join(wires)}
  {unit.top} dut({connect});
  reg first = 1;
  always @(posedge clk) first <= 0;
  always @* if (first) assume (rst);
{chr(10).join(constants)}

  wire [{max(unit.width("i"), 1) - 1}:0] i_payload = {{{payload["i"]}}};
  wire [{max(unit.width("o"), 1) - 1}:0] o_payload = {{{payload["o"]}}};
  reg i_wait = 0, o_wait = 0;
  reg [{max(unit.width("i"), 1) - 1}:0] i_held;
  reg [{max(unit.width("o"), 1) - 1}:0] o_held;
  reg [7:0] tokens = 0;
  reg [1:0] taken = 0;
  wire move_i = i_valid && i_ready, move_o = o_valid && o_ready;
  always @(posedge clk) begin
    i_wait <= !rst && i_valid && !i_ready;
    o_wait <= !rst && o_valid && !o_ready;
    i_held <= i_payload;
    o_held <= o_payload;
    // Saturates: a unit that loses beats must not wrap the count to zero.
    tokens <= rst ? 8'd0 : &tokens && move_i ? tokens : tokens + move_i - move_o;
    if (move_o && taken != 3) taken <= taken + 1;
    if (rst) taken <= 0;
  end
  always @* if (i_wait) assume (i_valid && i_payload == i_held);
  always @* if (!first && !rst) begin {check} end
endmodule
"""
