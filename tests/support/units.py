"""Small Verilog units with valid/ready streams, sound and broken, on which the test helpers are judged."""

PORTS = "input clk, input rst, input i_valid, output i_ready, output o_valid, input o_ready"

STREAM_REGISTER = f"""
module sreg({PORTS}, input [15:0] i_a, output [15:0] o_d);
  reg full; reg [15:0] data;
  assign i_ready = !full || o_ready;
  assign o_valid = full;
  assign o_d = data;
  always @(posedge clk) begin
    if (i_ready) full <= i_valid;
    if (i_ready && i_valid) data <= i_a;
    if (rst) full <= 0;
  end
endmodule
"""
"""One register between two streams, latency 1."""


def _bug(*changes: tuple[str, str]) -> str:
    text = STREAM_REGISTER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


BROKEN = {
    "valid-drops": _bug(("if (i_ready) full", "full")),
    "payload-changes": _bug(("if (i_ready && i_valid) data", "if (i_valid) data")),
    "repeats": _bug(("full <= i_valid", "full <= full | i_valid")),
    "loses": _bug(("full <= i_valid", "full <= i_valid && i_a[7:0] != 8'd9")),
    "hangs": _bug(
        ("o_valid = full", "o_valid = full && data[7:0] != 8'd9"), ("|| o_ready", "|| o_ready && o_valid")
    ),
    "ready-to-valid": _bug(("o_valid = full", "o_valid = full && o_ready")),
    "wrong-bit": _bug(("data <= i_a", "data <= {i_a[15:1], i_a[0] ^ (i_a == 16'hbeef)}")),
}
"""The stream register with one planted bug each."""

MULTIPLIER = """
module mul8(input clk, input rst, input i_valid, output i_ready, input [7:0] i_a, input [7:0] i_b,
            output reg o_valid, input o_ready, output reg [15:0] o_d);
  assign i_ready = ~o_valid | o_ready;
  always @(posedge clk) begin
    if (i_ready) begin
      o_valid <= i_valid;
      o_d <= i_a * i_b;
    end
    if (rst) o_valid <= 0;
  end
endmodule
"""
"""8 x 8 bits, unsigned, one register rank."""

ADDER = """
module add(input signed [8:0] i_x, input [99:0] i_w, output signed [9:0] o_s, output [99:0] o_n,
           input i_valid, output i_ready, output o_valid, input o_ready);
  assign o_s = i_x + 1;
  assign o_n = ~i_w;
  assign o_valid = i_valid;
  assign i_ready = o_ready;
endmodule
"""
"""Combinational, latency 0, a signed port and one over 64 bits."""

E5M2_TO_FP16 = """
module widen(input [7:0] i_a, output [15:0] o_d, output o_zero);
  assign o_d = {i_a, 8'b0};
  assign o_zero = i_a[6:0] == 0;
endmodule
"""
"""fp8 E5M2 as fp16: the same exponent, a longer mantissa."""
