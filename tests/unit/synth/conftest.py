from pathlib import Path

import pytest

from lnpu.synth import Library

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    return DATA / "tiny.lib"


@pytest.fixture(scope="session")
def tiny(tiny_path) -> Library:
    return Library(tiny_path)


@pytest.fixture
def verilog(tmp_path):
    def write(text: str, name: str = "top.v") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
