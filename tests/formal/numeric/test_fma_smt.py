"""fp8 products of the exported FMA against the SMT theory of floating point, for every pair of codes.

Both fp8 formats are exact in fp16: E5M2 by conversion, E4M3 as fp16 with its fields padded, times 2^8 (the
biases differ by 8). So the product rounded once to fp16 is `fp.mul` of both.
"""

import pytest
from amaranth.hdl import Module

from lnpu.export.fma import fma_verilog
from lnpu.numeric import factors
from lnpu.numeric.config import FmaConfig, Fp8
from lnpu.numeric.multiply import SplitMultiplier
from support.smt import Refuted, prove_claim

VALUE = {
    Fp8.E5M2: "((_ to_fp 5 11) RNE ((_ to_fp 5 3) i_{x}))",
    Fp8.E4M3: (
        "(fp.mul RNE (fp #b0 #b10111 #b0000000000) (fp ((_ extract 7 7) i_{x})"
        " (concat #b0 ((_ extract 6 3) i_{x})) (concat ((_ extract 2 0) i_{x}) #b0000000)))"
    ),
}
PRODUCT = "(= ((_ to_fp 5 11) o_d) (fp.mul RNE {a} {b}))"
NUMBERS = "(and (not (= ((_ extract 6 0) i_a) #b1111111)) (not (= ((_ extract 6 0) i_b) #b1111111)))"


def product_unit(text, lane):
    """One lane with addend -0, which changes no sum."""
    word = "{i_{x}, other_{x}}" if lane else "{other_{x}, i_{x}}"
    a, b = (word.replace("{x}", x) for x in "ab")
    return text + (
        "\nmodule product(input [7:0] i_a, i_b, other_a, other_b, output [15:0] o_d, output [4:0] o_flags);\n"
        "  wire [31:0] d; wire [9:0] flags;\n"
        f"  fma fma(.i_valid(1'b1), .o_ready(1'b1), .i_mode(1'b1), .i_a({a}), .i_b({b}),\n"
        "    .i_c(32'h80008000), .i_s(9'd0), .o_d(d), .o_flags(flags));\n"
        f"  assign o_d = d[{lane} * 16 +: 16]; assign o_flags = flags[{lane} * 5 +: 5];\nendmodule\n"
    )


def prove(tmp_path, text, lane, fp8):
    file = tmp_path / "product.v"
    file.write_text(product_unit(text, lane))
    a, b = (VALUE[fp8].replace("{x}", x) for x in "ab")
    claim = PRODUCT.format(a=a, b=b)
    prove_claim([file], "product", claim, assuming=NUMBERS if fp8 is Fp8.E4M3 else "true", timeout=100)


@pytest.mark.parametrize("lane", [0, 1])
@pytest.mark.parametrize("fp8", [Fp8.E4M3, Fp8.E5M2])
def test_products_are_those_of_ieee(tmp_path, fp8, lane):
    """E4M3: finite codes (its NaN has no counterpart); E5M2: every code. The other lane is free."""
    prove(tmp_path, fma_verilog(FmaConfig(fp8=fp8, latency=0)), lane, fp8)


class OneMissingBit(SplitMultiplier):
    """The partial product of both lowest bits of lane 0 is lost."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.right = right = SplitMultiplier(self.dual)
        lost = self.mode & self.a[7] & self.b[7]
        m.d.comb += [
            right.mode.eq(self.mode),
            right.a.eq(self.a),
            right.b.eq(self.b),
            self.p.eq(right.p ^ (lost << 14)),
            self.p1.eq(right.p1),
        ]
        return m


def test_a_lost_partial_product_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(factors, "SplitMultiplier", OneMissingBit)
    text = fma_verilog(FmaConfig(latency=0))
    with pytest.raises(Refuted, match="product: false for"):
        prove(tmp_path, text, 0, Fp8.E4M3)
    prove(tmp_path, text, 1, Fp8.E4M3)
