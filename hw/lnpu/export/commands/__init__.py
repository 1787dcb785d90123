"""The commands of `lnpu`, one module each; a module adds itself to the application in `register(app)`."""

import typer

from lnpu.export.commands.errors import UserError

__all__ = ["UserError", "register"]


def register(app: typer.Typer) -> None:
    """Add every command to the application."""
    from lnpu.export.commands import (
        asic,
        bench,
        bitstream,
        codec,
        config,
        generate,
        synth,
        train,
        verify,
        verify_engine,
        verilog,
        verilog_codec,
        verilog_engine,
    )

    for module in (
        generate,
        config,
        verilog,
        verify,
        verify_engine,
        codec,
        synth,
        asic,
        train,
        bench,
        bitstream,
        verilog_codec,
        verilog_engine,
    ):
        module.register(app)
