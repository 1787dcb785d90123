"""A made-up cell library with power data in which every number is a constant: easy to check by hand."""

CELLS = {
    # name: (function, area, delay ns, internal energy fJ of a fall and a rise at the output)
    "INV": ("!A", 1, 0.1, (1, 2)),
    "BUF": ("A", 2, 0.2, (3, 4)),
    "NAND2": ("!(A & B)", 2, 0.15, (5, 6)),
    "NOR2": ("!(A | B)", 2, 0.16, (5, 7)),
    "XOR2": ("A ^ B", 4, 0.3, (8, 9)),
    "MUX2": ("(A & !S) | (B & S)", 4, 0.32, (8, 10)),
}
PIN_FF = 2.0
PIN_FJ = (0.5, 0.25)
"""Internal energy of a fall and a rise at an input pin."""
CLOCK_FJ = (11.0, 12.0)
DFF_FJ = (20.0, 21.0)
GATE_FJ = (4.0, 6.0)
GATE_CLOCK_FJ = (2.0, 3.0)
VOLTS = 2.0


def _power(energies, related=""):
    fall, rise = energies
    pin = f"related_pin : {related}; " if related else ""
    return (
        f'internal_power () {{ {pin}fall_power (scalar) {{ values ("{fall}"); }} '
        f'rise_power (scalar) {{ values ("{rise}"); }} }}'
    )


def _timing(related, delay, kind="combinational", sense="non_unate"):
    tables = "".join(
        f'{name} (scalar) {{ values ("{value}"); }} '
        for name, value in (
            ("cell_rise", delay),
            ("cell_fall", delay),
            ("rise_transition", 0.1),
            ("fall_transition", 0.1),
        )
    )
    return f"timing () {{ related_pin : {related}; timing_type : {kind}; timing_sense : {sense}; {tables} }}"


def _pin(name, body="", energies=PIN_FJ):
    return f"pin ({name}) {{ direction : input; capacitance : {PIN_FF}; {body} {_power(energies)} }}"


def _setup():
    tables = 'rise_constraint (scalar) { values ("0.05"); } fall_constraint (scalar) { values ("0.05"); }'
    return f"timing () {{ related_pin : CK; timing_type : setup_rising; {tables} }}"


def liberty(clock_gate=True):
    """Text of the library; without a clock gate on request."""
    cells = []
    for name, (function, area, delay, energies) in CELLS.items():
        inputs = sorted({c for c in function if c.isalpha()})
        arcs = " ".join(_timing(pin, delay) + _power(energies, pin) for pin in inputs)
        pins = " ".join(_pin(pin) for pin in inputs)
        out = f'pin (Y) {{ direction : output; function : "{function}"; {arcs} }}'
        leak = "cell_leakage_power : 1;"
        cells.append(f"cell ({name}) {{ area : {area}; {leak} {pins} {out} }}")
    cells.append(
        "cell (DFF) { area : 8; cell_leakage_power : 3; "
        'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; } '
        + _pin("CK", "clock : true;", CLOCK_FJ)
        + _pin("D", _setup())
        + f' pin (Q) {{ direction : output; function : "IQ"; {_timing("CK", 0.25, "rising_edge")} '
        + f"{_power(DFF_FJ, 'CK')} }} }}"
    )
    for name, value in (("TIE0", 0), ("TIE1", 1)):
        cells.append(f'cell ({name}) {{ area : 1; pin (Y) {{ direction : output; function : "{value}"; }} }}')
    if clock_gate:
        cells.append(
            "cell (ICG) { area : 9; cell_leakage_power : 2; clock_gating_integrated_cell : latch_posedge; "
            + _pin("CK", "clock : true; clock_gate_clock_pin : true;", GATE_CLOCK_FJ)
            + _pin("EN", f"clock_gate_enable_pin : true; {_setup()}")
            + " pin (GCK) { direction : output; clock_gate_out_pin : true; state_function : CK; "
            + f"{_timing('CK', 0.1, sense='positive_unate')} {_power(GATE_FJ, 'CK')} }} }}"
        )
    body = "\n  ".join(cells)
    return (
        "library (made_up) {\n  delay_model : table_lookup;\n"
        '  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW";\n'
        f"  capacitive_load_unit (1, ff); nom_voltage : {VOLTS};\n  {body}\n}}\n"
    )
