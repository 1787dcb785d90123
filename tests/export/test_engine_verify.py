"""`lnpu verify engine`: a small layer on `tiny`, page and errors."""

import pytest


def test_three_passes_equal_the_model(lnpu, tmp_path):
    layer = ["--size", 6, "--inputs", 5, "--outputs", 9]
    code, out, err = lnpu("verify", "engine", "--preset", "tiny", *layer, "-o", tmp_path)
    assert code == 0, err
    assert "bit for bit" in out
    assert "NO" not in out
    page = (tmp_path / "index.html").read_text()
    assert page.count("<tr>") > 6
    assert (tmp_path / "slots.png").stat().st_size > 5000
    assert (tmp_path / "lnpu_engine.v").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--inputs", "5000"], "`inputs` must be 1 to 4096, not 5000"),
        (["--zeros", "1.5"], "`zeros` must be 0 to 1, not 1.5"),
        (["--preset", "huge"], "`preset` must be one of edge, lnpu-core, nano, tiny, not huge"),
        (["--set", "engine.lines=9"], "`lines` must be 1 to 8, not 9"),
    ],
)
def test_bad_options_write_nothing(lnpu, tmp_path, options, message):
    code, _, err = lnpu("verify", "engine", "-o", tmp_path / "out", *options)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
