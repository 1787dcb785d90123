"""The `lnpu` command line: one front door, one module a command.

Every user error ends as one line on stderr and exit code 2; nothing is written before the input is checked.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from lnpu import __version__
from lnpu.export import commands

app = typer.Typer(
    name="lnpu",
    help="Generate, verify and measure accelerators that train neural networks on the device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.register(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lnpu {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the `lnpu` script: turns user errors into one clear line and exit code 2."""
    try:
        app()
    except commands.UserError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]error:[/red] {escape(str(error))}")
        sys.exit(2)


if __name__ == "__main__":
    main()
