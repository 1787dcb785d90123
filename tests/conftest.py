"""Long campaigns in parts that can be taken up again: `--shard I/N`, `--resume FILE`."""

import re
import zlib
from pathlib import Path

import pytest


def pytest_addoption(parser):
    group = parser.getgroup("parts")
    group.addoption("--shard", metavar="I/N", help="only part I of N (from 1) of the tests, by their names")
    group.addoption(
        "--resume", metavar="FILE", help="leave out tests that FILE lists, and add those that pass"
    )


def pytest_configure(config):
    shard = config.getoption("--shard")
    if shard:
        match = re.fullmatch(r"(\d+)/(\d+)", shard)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise pytest.UsageError(f"--shard must be I/N with I from 1 to N, not {shard}")


def pytest_collection_modifyitems(config, items):
    shard, resume = config.getoption("--shard"), config.getoption("--resume")
    passed = set()
    if resume and Path(resume).exists():
        passed = set(Path(resume).read_text().splitlines())
    part, parts = map(int, shard.split("/")) if shard else (1, 1)
    chosen, left = [], []
    for item in items:
        mine = zlib.crc32(item.nodeid.encode()) % parts == part - 1 and item.nodeid not in passed
        (chosen if mine else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = chosen


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if _RESUME and report.when == "call" and report.passed:
        with Path(_RESUME[0]).open("a") as file:
            file.write(f"{report.nodeid}\n")


_RESUME = []


def pytest_sessionstart(session):
    # Workers report to the one process that writes.
    resume = session.config.getoption("--resume")
    if resume and not hasattr(session.config, "workerinput"):
        Path(resume).parent.mkdir(parents=True, exist_ok=True)
        _RESUME[:] = [resume]
