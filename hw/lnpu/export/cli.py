"""The `lnpu` command line: one front door, one module a command.

Every user error ends as one line on stderr and exit code 2; nothing is written before the input is checked.
"""

import sys
from typing import Annotated, NoReturn

import typer

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

# The base of all usage errors; recent typer carries its own copy of click, so it is found through a subclass.
_ClickException = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


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
        code = app(standalone_mode=False)
    except commands.UserError as error:
        _fail(str(error))
    except typer.Abort:
        _fail("interrupted", code=130)
    except _ClickException as error:
        context = getattr(error, "ctx", None)
        if not error.format_message():  # a group without a command: its help has been printed
            sys.exit(2)
        _fail(f"{context.command_path}: {error.format_message()}" if context else error.format_message())
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> NoReturn:
    prefix = typer.style("error:", fg=typer.colors.RED)
    typer.echo(f"{prefix} {' '.join(message.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
