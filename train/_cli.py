"""``python -m train``: a thin skin over ``train.fit``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from train._fit import Progress
    from train._recipes import Recipe


class _Failure(click.ClickException):
    """An error with a message for people and an exit code of its own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn this package's errors and a missing library into a message and an exit code."""
    from train._errors import TrainError

    try:
        yield
    except (TrainError, ModuleNotFoundError, OSError) as error:
        raise _Failure(str(error), getattr(error, "exit_code", 1)) from error


@contextmanager
def progress(label: str, epochs: int) -> Iterator[Progress]:
    """Show a bar with the current loss on stderr while a fit runs, if that is a terminal."""

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
        yield lambda _epoch, loss: bar.update(1, loss)


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Fit every model.")
@click.option("--recipe", metavar="R", help="The recipe; each model has a default.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LR",
    help="Override the recipe's rate.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), metavar="N", help="Override the recipe's epochs."
)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a model, a line each.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write fit.json, history.csv and fit.png to DIR (several models: to DIR/NAME).",
)
def main(
    names: tuple[str, ...],
    everything: bool,
    recipe: str | None,
    learning_rate: float | None,
    epochs: int | None,
    device: str,
    as_json: bool,
    out: Path | None,
) -> None:
    """Fit models and report how they stand to the best possible fit.

    Nothing is written but what --out asks for. To write artifacts: python -m export.
    """
    if everything == bool(names):
        raise click.UsageError("Name the models to fit, or type --all.")
    with errors_for_people():
        import train
        from train import _report

        chosen = train.list_models() if everything else list(dict.fromkeys(names))
        # All names are looked up before the first fit starts.
        recipes = {name: _recipe(name, recipe, learning_rate, epochs) for name in chosen}
        for name in chosen:
            with progress(name, recipes[name].epochs) as on_epoch:
                fit = train.fit(name, recipe=recipes[name], device=device, on_epoch=on_epoch)
            if as_json:
                click.echo(json.dumps(_report.as_record(fit), ensure_ascii=False))
            else:
                click.echo(_report.as_text(fit))
            if out is not None:
                _report.write(fit, out / name if len(chosen) > 1 else out)


def _recipe(
    model: str, name: str | None, learning_rate: float | None, epochs: int | None
) -> Recipe:
    from dataclasses import replace

    from train._models import find_model, find_recipe

    recipe = find_recipe(find_model(model), name)
    if learning_rate is not None:
        recipe = replace(recipe, learning_rate=learning_rate)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    return recipe
