"""``python -m train``: a thin skin over ``train.fit``."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infer._commands.errors import Failure

if TYPE_CHECKING:
    from train._learn.fit import Fit
    from train._learn.loop import Epoch, Watcher
    from train._learn.recipes import Recipe


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn errors of this package and missing libraries into a message and an exit code."""
    from train._errors import TrainError

    try:
        yield
    except OSError as error:
        if error.errno is None:  # a library's
            raise Failure(*str(error).split("\n")) from error
        if error.filename is None:
            raise  # a standard stream; see infer._entry
        raise Failure(f"{error.filename}: {error.strerror}") from error
    except TrainError as error:
        raise Failure(*str(error).split("\n"), exit_code=error.exit_code) from error
    except ModuleNotFoundError as error:
        message = str(error)
        if message == f"No module named {error.name!r}":  # Python's own, without what to type
            message = (
                f"this command needs {error.name}, not installed here; "
                "type: pip install 'samebits[train]'"
            )
        raise Failure(message) from error


@contextmanager
def progress(label: str, epochs: int, done: int = 0) -> Iterator[Callable[[Epoch], None]]:
    """Show a progress bar with the current loss on stderr, if that is a terminal."""

    def show(loss: float | None) -> str | None:
        return None if loss is None else f"loss {loss:.6g}"

    with click.progressbar(
        length=epochs,
        label=label,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=show,
        update_min_steps=max(1, epochs // 200),
    ) as bar:
        bar.update(done)
        yield lambda epoch: bar.update(1, epoch.loss)
        bar.update(bar.length or 0)  # a fit that has converged ends before its last epoch


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed; a second one ends the program."""
    pressed = False

    def note(_signal: int, _frame: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _plot_file(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix not in (".png", ".svg"):
        raise click.BadParameter(f"{str(path)!r}: expected a name that ends in .png or .svg")
    return path


_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Fit every model.")
@click.option("--table", is_flag=True, help="Run every recipe and compare it with its tutorial.")
@click.option("--recipe", metavar="R", help="The recipe; each model has a default.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LR",
    help="Override the recipe's learning rate.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), metavar="N", help="Override the recipe's epochs."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="S", help="Seed of all random numbers.")
@click.option(
    "--validation-fraction",
    type=click.FloatRange(min=0, max=1, max_open=True),
    metavar="F",
    help="Hold out this fraction of the rows for validation; --seed chooses them.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    help="Dtype that parameters are rounded to and served in.  [default: float32]",
)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per model and line.")
@click.option(
    "--out",
    type=_FOLDER,
    metavar="DIR",
    help="Write fit.json, history.csv and fit.png to DIR (several models: to DIR/NAME).",
)
@click.option("--history", type=_FILE, metavar="FILE.csv", help="Write the numbers of every epoch.")
@click.option("--plot", type=_FILE, callback=_plot_file, metavar="FILE", help="As .png or .svg.")
@click.option("--gif", type=_FILE, metavar="FILE", help="Write an animation of the fit.")
@click.option("--live", is_flag=True, help="Show curve and loss in a window during the fit.")
@click.option(
    "--resume",
    type=_FOLDER,
    metavar="DIR",
    help="Resume a fit that was stopped with --out DIR.",
)
def main(
    names: tuple[str, ...],
    everything: bool,
    table: bool,
    recipe: str | None,
    learning_rate: float | None,
    epochs: int | None,
    seed: int | None,
    validation_fraction: float | None,
    dtype: str | None,
    device: str,
    as_json: bool,
    out: Path | None,
    history: Path | None,
    plot: Path | None,
    gif: Path | None,
    live: bool,
    resume: Path | None,
) -> None:
    """Fit models and compare them with the best possible fit.

    Only --out, --history, --plot and --gif write files; artifacts are written by python -m export.
    Ctrl-C stops after the current epoch; if --out was given, --resume continues from there.
    """
    if everything + table + bool(names) + (resume is not None) != 1:
        raise click.UsageError("Name the models to fit, or use --all, --table or --resume.")
    overrides = {
        name: value
        for name, value in (
            ("learning_rate", learning_rate),
            ("epochs", epochs),
            ("seed", seed),
            ("validation_fraction", validation_fraction),
        )
        if value is not None
    }
    written = [option for option in (out, history, plot, gif) if option is not None]
    if table and (recipe or overrides or dtype or device != "cpu" or as_json or live or written):
        raise click.UsageError("--table runs every recipe as it is; it takes no other option.")
    files = _Files(out or resume, history, plot, gif, resumed=resume is not None)
    with errors_for_people():
        if table:
            _run_table()
            return
        if resume is not None:
            if recipe is not None or overrides or dtype is not None:
                raise click.UsageError(
                    "--resume keeps the settings of the fit; it takes no recipe or dtype."
                )
            from train._learn import checkpoint

            stopped = checkpoint.read(resume)
            jobs = [(stopped.model, stopped.recipe)]
            dtype, device, state = stopped.dtype, stopped.device, stopped.state
        else:
            import train

            chosen = train.list_models() if everything else list(dict.fromkeys(names))
            # All names are looked up before the first fit starts.
            jobs = [(name, _recipe(name, recipe, overrides)) for name in chosen]
            state = None
        if len(jobs) > 1 and (history or plot or gif):
            raise click.UsageError("--history, --plot and --gif take one model; type --out DIR.")
        for name, row in jobs:
            files_here = files.below(name) if len(jobs) > 1 else files
            _fit_and_report(
                name,
                row,
                dtype or "float32",
                device,
                state,
                files_here,
                as_json=as_json,
                live=live,
            )


class _Files:
    """What to write where."""

    def __init__(
        self,
        out: Path | None,
        history: Path | None = None,
        plot: Path | None = None,
        gif: Path | None = None,
        *,
        resumed: bool = False,
    ) -> None:
        self._out, self._history, self._plot, self._gif = out, history, plot, gif
        self._resumed = resumed

    def below(self, name: str) -> _Files:
        """Return the same for one of several models."""
        return _Files(self._out and self._out / name)

    def write(self, fit: Fit) -> None:
        """Write what was asked for."""
        from infer._files.replace import replace_file
        from train._learn import plots, report

        if self._out is not None:
            report.write(fit, self._out, resumed=self._resumed)
        if self._history is not None:
            replace_file(self._history, report.as_csv(fit).encode())
        if self._plot is not None:
            replace_file(self._plot, report.plot(fit, self._plot.suffix[1:]))
        if self._gif is not None:
            with click.progressbar(
                plots.frames(fit),
                length=min(plots.FRAMES, fit.epochs),
                label="drawing",
                file=sys.stderr,
                hidden=not sys.stderr.isatty(),
            ) as pictures:
                replace_file(self._gif, plots.to_gif(pictures))

    def resume_hint(self) -> str:
        """Return how to resume after Ctrl-C."""
        if self._out is None:
            return "Nothing was saved; with --out DIR a stopped fit can be resumed."
        return f"To resume: python -m train --resume {self._out}"


def _fit_and_report(
    name: str,
    recipe: Recipe,
    dtype: str,
    device: str,
    state: Any,
    files: _Files,
    *,
    as_json: bool,
    live: bool,
) -> None:
    import train

    try:
        with (
            progress(name, recipe.epochs, len(state["epochs"]) if state else 0) as show,
            interruptible() as pressed,
        ):
            watchers: list[Callable[[Epoch], object]] = [show]
            if live:
                from train._learn import plots
                from train._learn.models import find_model

                watchers.append(plots.live(find_model(name), recipe, dtype))
            fit = train.fit(
                name,
                recipe=recipe,
                dtype=dtype,
                device=device,
                watch=_all(watchers, pressed),
                resume=state,
            )
    except (train.DivergedError, train.NotAtOptimumError) as error:
        _report(error.fit, files, as_json=as_json)
        raise
    except train.StoppedError as error:
        _report(error.fit, files, as_json=as_json)
        raise Failure(f"{error} {files.resume_hint()}", exit_code=error.exit_code) from error
    _report(fit, files, as_json=as_json)


def _all(watchers: list[Callable[[Epoch], object]], pressed: Callable[[], bool]) -> Watcher:
    def watch(epoch: Epoch) -> bool:
        for watcher in watchers:
            watcher(epoch)
        return pressed()

    return watch


def _report(fit: Fit, files: _Files, *, as_json: bool) -> None:
    from train._learn import report

    if as_json:
        click.echo(json.dumps(report.as_record(fit), ensure_ascii=False, allow_nan=False))
    else:
        click.echo(report.as_text(fit))
    files.write(fit)


def _run_table() -> None:
    """Run every recipe and print the table; exits with 1 if a printed number is not reproduced."""
    import train
    from train._learn.tutorials import printed

    fits = {}
    with click.progressbar(
        printed.PRINTED,
        label="running",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda key: " ".join(key) if key else None,
    ) as bar:
        for model, recipe in bar:
            try:
                fits[model, recipe] = train.fit(model, recipe=recipe)
            except train.DivergedError as error:
                fits[model, recipe] = error.fit
    click.echo(printed.table(fits))
    if any(printed.disagreements(fit, printed.PRINTED[key]) for key, fit in fits.items()):
        sys.exit(1)


def _recipe(model: str, name: str | None, overrides: dict[str, Any]) -> Recipe:
    from dataclasses import replace

    from train._learn.models import find_model, find_recipe

    return replace(find_recipe(find_model(model), name), **overrides)
