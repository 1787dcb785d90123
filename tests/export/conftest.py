"""The command line as a user meets it: arguments in; exit code, stdout and stderr out."""

import sys

import pytest

from lnpu.export import cli


@pytest.fixture
def lnpu(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lnpu", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run
