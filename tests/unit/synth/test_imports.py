"""`lnpu.synth` serves any Verilog: it starts without the hardware library and without plotting."""

import subprocess
import sys


def test_imports_stay_light():
    code = (
        "import sys, lnpu.synth; print([m for m in ('amaranth', 'matplotlib', 'pyosys') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
