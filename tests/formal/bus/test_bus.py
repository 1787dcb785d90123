"""Proofs on exported Verilog: what the DMAs offer on AXI stays until it is taken, bursts end before 4 KiB,
words are requested only where room is reserved. Proofs travel with covers and planted bugs."""

import re

import pytest

from lnpu.bus.read import ReadDma
from lnpu.bus.write import WriteDma
from support.codec_formal import exported, violation, wrapper


def hold(prefix, payload):
    """An offer stays, in an abort too."""
    word = ", ".join(f"{prefix}{name}" for name in payload)
    return f"""
  reg waits = 0; reg [127:0] was = 0;
  always @(posedge clk) begin waits <= !rst && {prefix}valid && !{prefix}ready; was <= {{{word}}}; end
  always @* if (waits) assert ({prefix}valid && was == {{{word}}});
"""


# The memory answers what was asked, in order, with RLAST where it belongs.
READ_MEMORY = """
  reg [3:0] asked = 0; reg [1:0] len0 = 0, len1 = 0, beat = 0;
  wire ar = m_axi_arvalid && m_axi_arready, r = m_axi_rvalid && m_axi_rready;
  wire ends = r && m_axi_rlast;
  always @* if (asked == 0) assume (!m_axi_rvalid);
  always @* if (m_axi_rvalid) assume (m_axi_rlast == (beat == len0));
  always @(posedge clk) begin
    asked <= rst ? 0 : asked + ar - ends;
    beat <= rst || ends ? 0 : beat + r;
    if (ends) len0 <= len1;
    if (ar && asked - ends == 0) len0 <= m_axi_arlen;
    if (ar && asked - ends == 1) len1 <= m_axi_arlen;
  end
"""

WRITE_MEMORY = """
  reg [3:0] open = 0, sent = 0;
  wire aw = m_axi_awvalid && m_axi_awready, b = m_axi_bvalid && m_axi_bready;
  wire ends = m_axi_wvalid && m_axi_wready && m_axi_wlast;
  always @* if (open == 0 || sent == 0) assume (!m_axi_bvalid);
  always @(posedge clk) begin
    open <= rst ? 0 : open + aw - b;
    sent <= rst ? 0 : sent + ends - b;
  end
"""

REQUEST = ["addr", "len", "size", "burst", "cache", "prot"]

READ_RULES = {
    "request": hold("m_axi_ar", REQUEST),
    "page": """
  wire [9:0] last_word = m_axi_araddr[11:3] + m_axi_arlen;
  always @* if (!first && !rst && m_axi_arvalid) assert (last_word <= 511 && m_axi_arlen < 2);
""",
    "outstanding": "  always @* if (!rst) assert (asked <= 2);\n",
    # Words that were asked for and not taken: room for all of them.
    "room": """
  reg [3:0] owed = 0; reg aborted = 0;
  always @(posedge clk) begin
    aborted <= !rst && (abort || aborted && busy);
    owed <= rst || abort || aborted ? 0 : owed + (ar ? m_axi_arlen + 1 : 0) - (o_valid && o_ready);
  end
  always @* if (!rst && !aborted) assert (owed <= 4);
""",
    "word": """
  reg waits = 0, was = 0;
  always @(posedge clk) begin waits <= !rst && !abort && o_valid && !o_ready; was <= o_last; end
  always @* if (waits && !abort) assert (o_valid && o_last == was);
""",
    # When it says idle, nothing is under way.
    "idle": "  always @* if (!rst && !busy) assert (asked == 0 && !m_axi_arvalid && !o_valid);\n",
}

WRITE_RULES = {
    "request": hold("m_axi_aw", REQUEST),
    "word": hold("m_axi_w", ["data", "strb", "last"]),
    "page": """
  wire [9:0] last_word = m_axi_awaddr[11:3] + m_axi_awlen;
  always @* if (!first && !rst && m_axi_awvalid) assert (last_word <= 511 && m_axi_awlen < 2);
""",
    "outstanding": "  always @* if (!rst) assert (open <= 2);\n",
    "idle": "  always @* if (!rst && !busy) assert (open == 0 && !m_axi_awvalid && !m_axi_wvalid);\n",
}

COVERS = {
    "read": [
        "o_valid && o_last && !o_ready",
        "asked == 2",
        "error && !busy",
        "m_axi_arvalid && m_axi_arlen == 1",
    ],
    "write": ["m_axi_wvalid && m_axi_wlast && !m_axi_wready", "open == 2", "error && !busy", "done == 1"],
}


@pytest.fixture(scope="module")
def read_unit():
    return exported(ReadDma(burst=2, outstanding=2, depth=4), "dma")


@pytest.fixture(scope="module")
def write_unit():
    return exported(WriteDma(burst=2, outstanding=2), "dma")


@pytest.fixture(scope="module")
def units(read_unit, write_unit):
    return {"read": (*read_unit, READ_MEMORY, READ_RULES), "write": (*write_unit, WRITE_MEMORY, WRITE_RULES)}


@pytest.mark.parametrize(
    ("side", "rule"), [*(("read", rule) for rule in READ_RULES), *(("write", rule) for rule in WRITE_RULES)]
)
def test_rules_hold(units, side, rule):
    verilog, ports, memory, rules = units[side]
    assert violation(verilog, wrapper("dma", ports, memory + rules[rule]), timeout=60) is None


@pytest.mark.parametrize(("side", "cover"), [(side, cover) for side in COVERS for cover in COVERS[side]])
def test_situations_are_reached(units, side, cover):
    verilog, ports, memory, _ = units[side]
    body = f"{memory}  always @* if (!rst) assert (!({cover}));\n"
    assert violation(verilog, wrapper("dma", ports, body), bound=16) is not None


@pytest.mark.parametrize(
    ("side", "rule", "old", "new"),
    [
        # An abort withdraws an offer.
        ("read", "request", r"(m_axi_arvalid <= )(\w+;)", r"\1!abort & \2"),
        ("write", "request", r"(m_axi_awvalid <= )(\w+;)", r"\1!abort & \2"),
        ("write", "word", r"(m_axi_wvalid <= )(\w+;)", r"\1!abort & \2"),
        # Room is not looked at; the first burst is not cut at a boundary.
        ("read", "room", r"assign (\w+) = core_room > .*;", r"assign \1 = 1;"),
        ("read", "page", r"(m_axi_arlen <= ).*;", r"\1 8'd1;"),
    ],
)
def test_broken_unit_is_caught(units, side, rule, old, new):
    verilog, ports, memory, rules = units[side]
    verilog, count = re.subn(old, new, verilog)
    assert count >= 1
    assert violation(verilog, wrapper("dma", ports, memory + rules[rule]), bound=18) is not None
