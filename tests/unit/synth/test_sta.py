"""Timing of a netlist that was worked out by hand with the linear tables of `tiny.lib`."""

import pytest

from lnpu.synth import Conditions, SynthError
from lnpu.synth.netlist import Instance, Netlist, Port
from lnpu.synth.sta import analyse

SLEW, LOAD = 0.5, 20.0
AROUND = Conditions("", SLEW, LOAD)


def cell(name, kind, **pins):
    return Instance(name, kind, {p: (b,) for p, b in pins.items()}, frozenset("YQ") & set(pins), {})


def example():
    """a -> ND2 -> INV -> y and a flip-flop; the other NAND input comes from a flip-flop."""
    ports = [Port("clk", "input", (2,)), Port("a", "input", (3,)), Port("y", "output", (6,))]
    cells = [
        cell("end", "DFFX1", CK=2, D=6, Q=7),
        cell("inv", "INVX1", A=5, Y=6),
        cell("nand", "ND2X1", A=3, B=4, Y=5),
        cell("begin", "DFFX1", CK=2, D=3, Q=4),
    ]
    return Netlist("example", ports, cells, {4: "q1", 5: "n", 6: "y", 7: "q2"})


def test_longest_path_by_hand(tiny):
    # Each cell: delay = d0 + ds * slew + dl * load; transition likewise (0.05, 0.1, 0.004) rise,
    # (0.04, 0.1, 0.003) fall; the worst transition of all arcs goes on.
    def rise_slew(slew, load):
        return 0.05 + 0.1 * slew + 0.004 * load

    def fall_slew(slew, load):
        return 0.04 + 0.1 * slew + 0.003 * load

    pin = 2.0  # every input pin, fF
    q_rise, q_fall = 0.2 + 0.1 * SLEW + 0.004 * pin, 0.18 + 0.08 * SLEW + 0.003 * pin
    qs_rise, qs_fall = rise_slew(SLEW, pin), fall_slew(SLEW, pin)
    n_rise = q_fall + 0.05 + 0.1 * qs_fall + 0.004 * pin
    n_fall = q_rise + 0.04 + 0.08 * qs_rise + 0.003 * pin
    ns_rise, ns_fall = rise_slew(SLEW, pin), fall_slew(SLEW, pin)  # from input a: its slew is the worst
    load = pin + LOAD
    y_rise = n_fall + 0.03 + 0.1 * ns_fall + 0.004 * load
    y_fall = n_rise + 0.02 + 0.08 * ns_rise + 0.003 * load
    setup_rise = 0.10 + 0.05 * SLEW + 0.2 * rise_slew(ns_fall, load)  # clock slew first in the table
    setup_fall = 0.20 + 0.05 * SLEW + 0.4 * fall_slew(ns_rise, load)

    timing = analyse(example(), tiny, AROUND)
    assert timing.delay_ns == pytest.approx(max(y_rise + setup_rise, y_fall + setup_fall), rel=1e-12)
    assert y_fall + setup_fall > y_rise + setup_rise > y_rise > y_fall  # setup decides which edge is worst
    assert timing.setup_ns == pytest.approx(setup_fall, rel=1e-12)
    assert (timing.start, timing.end) == ("register q1, pin CK", "register q2, pin D")
    assert [(s.instance, s.input, s.output) for s in timing.stages] == [
        ("begin", "CK", "Q"),
        ("nand", "B", "Y"),
        ("inv", "A", "Y"),
    ]
    assert timing.stages[-1].arrival_ns == pytest.approx(y_fall)
    assert sum(s.delay_ns for s in timing.stages) == pytest.approx(y_fall)


def test_inputs_to_outputs(tiny):
    netlist = Netlist(
        "wire",
        [Port("a", "input", (2, 3)), Port("y", "output", (4, 2))],
        [cell("x", "XR2X1", A=2, B=3, Y=4)],
        {2: "a[0]", 3: "a[1]"},
    )
    timing = analyse(netlist, tiny, AROUND)
    assert timing.delay_ns == pytest.approx(0.09 + 0.1 * SLEW + 0.005 * LOAD)
    assert timing.start in ("input a[0]", "input a[1]")
    assert (timing.end, timing.setup_ns) == ("output y[0]", 0)


def test_a_block_without_cells_has_no_path(tiny):
    timing = analyse(
        Netlist("wire", [Port("a", "input", (2,)), Port("y", "output", (2,))], [], {}), tiny, AROUND
    )
    assert (timing.delay_ns, timing.stages) == (0, ())


def test_constants_do_not_arrive(tiny):
    netlist = Netlist("k", [Port("y", "output", (3,))], [cell("i", "INVX1", A="1", Y=3)], {})
    assert analyse(netlist, tiny, AROUND).delay_ns == 0


def test_loops_and_unknown_cells_are_errors(tiny):
    loop = Netlist("l", [], [cell("a", "INVX1", A=2, Y=3), cell("b", "INVX1", A=3, Y=2)], {})
    with pytest.raises(SynthError, match=r"combinational loop \(for example through a \(INVX1\)\)"):
        analyse(loop, tiny, AROUND)
    with pytest.raises(SynthError, match="does not hold: NIX"):
        analyse(Netlist("l", [], [cell("a", "NIX", A=2, Y=3)], {}), tiny, AROUND)
    with pytest.raises(SynthError, match="cell TBUFX1 has no delay tables at pin Y"):
        analyse(Netlist("l", [], [cell("a", "TBUFX1", A=2, EN=4, Y=3)], {}), tiny, AROUND)
