"""The build cache: one build for many takers, nothing left of a failed one."""

import threading
import time

import pytest

from lnpu_sim.rtl.toolchain import cache_root, cached, digest


def test_concurrent_takers_build_once(tmp_path):
    calls, results = [], []

    def make(work):
        calls.append(work)
        time.sleep(0.2)
        (work / "product").write_text("done")

    def take():
        results.append((cached(tmp_path / "a", make) / "product").read_text())

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert results == ["done"] * 4
    assert len(calls) == 1


def test_failed_build_leaves_nothing_and_can_be_repeated(tmp_path):
    def fail(work):
        (work / "half").write_text("")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        cached(tmp_path / "a", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
    assert cached(tmp_path / "a", lambda work: (work / "x").touch()).is_dir()


def test_place_and_name(monkeypatch, tmp_path):
    monkeypatch.setenv("LNPU_CACHE", str(tmp_path))
    assert cache_root("verilator") == tmp_path / "verilator"
    monkeypatch.delenv("LNPU_CACHE")
    assert cache_root("verilator").parts[-2:] == ("build", "verilator")
    assert digest("ab", "c") != digest("a", "bc")
