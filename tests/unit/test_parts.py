"""`--shard` and `--resume`: parts of the long campaigns."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def run(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test(n): assert n != 7\n"
    )
    return tmp_path


def test_shards_are_a_partition(folder):
    seen = []
    for part in (1, 2, 3):
        seen += re.findall(r"^test_it.py::\S+", run(folder, "--collect-only", "--shard", f"{part}/3"), re.M)
    assert len(seen) == len(set(seen)) == 40


def test_a_wrong_shard(folder):
    assert "--shard must be I/N with I from 1 to N, not 4/3" in run(folder, "--shard", "4/3")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_resume_leaves_out_what_has_passed(folder, workers):
    assert "1 failed, 39 passed" in run(folder, "-n", workers, "--resume", "build/passed.txt")
    again = run(folder, "-n", workers, "--resume", "build/passed.txt")
    assert "1 failed" in again
    assert "passed" not in again
