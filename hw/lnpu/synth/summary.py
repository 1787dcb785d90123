"""A report as rows of text, for terminals and pages."""

from lnpu.synth.report import AsicReport, FpgaReport

__all__ = ["POINT_HEAD", "STAGE_HEAD", "headline", "points", "stages"]

POINT_HEAD = ("recipe", "Booth", "target ns", "kGE", "delay ns", "")
STAGE_HEAD = ("cell", "pins", "delay ns", "arrival ns")


def headline(report: AsicReport | FpgaReport) -> list[tuple[str, str]]:
    """The figures that matter as (name, value) rows."""
    if isinstance(report, AsicReport):
        target = "" if report.target_ns is None else f", target {report.target_ns:.3g} ns"
        rows = [
            ("library", report.library),
            ("mapping", f"{report.recipe}-driven{', Booth' if report.booth else ''}{target}"),
            ("area", f"{report.area_um2:,.0f} um2 = {report.kge:.3f} kGE ({report.nand2})"),
            (
                "sequential / combinational",
                f"{report.area_sequential_um2:,.0f} / {report.area_combinational_um2:,.0f} um2",
            ),
            ("cells", f"{report.cells:,}, {report.ff:,} flip-flops"),
            ("longest path", f"{report.delay_ns:.3f} ns, {len(report.critical_path)} cells (no wires)"),
            ("from", report.start or "-"),
            ("to", f"{report.end or '-'} (setup {report.setup_ns:.3f} ns)"),
        ]
        if report.period_ns is not None:
            verdict = "met" if report.meets_period else "not met"
            rows.append(("period", f"{report.period_ns:g} ns: {verdict}"))
        return rows
    fmax = "-" if report.fmax_mhz is None else f"{report.fmax_mhz:.1f} MHz (median of {len(report.seeds)})"
    mux = ", ".join(f"{n:,} {name}" for name, n in report.mux.items())
    return [
        ("family", report.family),
        ("LUT4", f"{report.lut4:,} ({report.carry:,} carry cells{'; ' + mux if mux else ''})"),
        ("flip-flops", f"{report.ff:,}"),
        ("multiplier blocks", f"{report.dsp:,}"),
        ("block RAM", f"{report.bram:,}, distributed {report.lutram:,}, SPRAM {report.spram:,}"),
        ("depth", f"{report.depth} levels"),
        ("Fmax", fmax),
    ]


def points(report: AsicReport) -> list[tuple[str, ...]]:
    """One row of text a mapping, under `POINT_HEAD`."""
    best = (
        (report.min_area, "smallest"),
        (report.min_delay, "fastest"),
        (report.at_period, "best at period"),
    )
    rows: list[tuple[str, ...]] = []
    for point in report.points:
        target = "-" if point.target_ns is None else f"{point.target_ns:.3g}"
        mark = ", ".join(name for other, name in best if other is point)
        booth = "yes" if point.booth else "no"
        rows.append((point.recipe, booth, target, f"{point.kge:.3f}", f"{point.delay_ns:.3f}", mark))
    return rows


def stages(report: AsicReport) -> list[tuple[str, ...]]:
    """One row of text a cell of the longest path, under `STAGE_HEAD`."""
    return [
        (s["cell"], f"{s['input']} to {s['output']}", f"{s['delay_ns']:.3f}", f"{s['arrival_ns']:.3f}")
        for s in report.critical_path
    ]
