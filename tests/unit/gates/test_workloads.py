"""Workloads as text."""

import pytest

from lnpu.engine.config import Pass
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.gates.workloads import WorkloadError, jobs


def test_synthetic():
    (job,) = jobs("synthetic:sparsity=0.75,numerics=fp8,inputs=16,outputs=8,height=4,width=6,kernel=1")
    assert (job.kind, job.technique, job.share) == (Pass.FP, Technique.BOTH, 0.0)
    assert job.work.x.shape == (1, 4, 6, 16)
    assert job.work.w.shape == (1, 1, 16, 8)
    assert job.label == "16-8 1x1, 75% zeros FP, fp8"
    assert 0.6 < (job.work.x == 0).mean() < 0.9


def test_passes_and_zeros():
    found = jobs("synthetic:pass=all,zeros=issued,numerics=fp16,inputs=4,outputs=4")
    assert [job.kind for job in found] == list(Pass)
    assert {job.technique for job in found} == {Technique.NEITHER}
    assert jobs("synthetic")[0].technique is Technique.BOTH
    assert jobs("synthetic:zeros=issued")[0].technique is Technique.FGMP
    assert jobs("synthetic:numerics=fp16")[0].technique is Technique.SKIP


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetic:sparsity=2", "`sparsity` must be 0 to 1, not 2"),
        ("synthetic:inputs=0", "`inputs` must be 1 to 1024, not 0"),
        ("synthetic:inputs=many", "`inputs` must be 1 to 1024, not many"),
        ("synthetic:numerics=int8", "`numerics` must be one of fp16, fp8, fgmp, not int8"),
        ("synthetic:pass=back", "`pass` must be one of fp, bp, wg, all, not back"),
        ("synthetic:zeros=gone", "`zeros` must be one of skipped, issued, not gone"),
        ("synthetic:colour=red", "`colour` is not one of numerics, pass, zeros, sparsity"),
        ("synthetic:sparsity", "'sparsity' must be name=value"),
        ("layers.txt", r"must be synthetic:... or the path of a trace \(.npz\), not 'layers.txt'"),
        ("missing.npz", "workload missing.npz: .*No such file"),
    ],
)
def test_errors(text, message):
    with pytest.raises(WorkloadError, match=message):
        jobs(text)
