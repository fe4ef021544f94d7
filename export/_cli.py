"""``python -m export``: fits models, writes artifacts, and checks written ones."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from train._cli import errors_for_people, progress


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Export every model.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Dtype that the models are served in.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    metavar="DIR",
    help="The folder that holds the artifacts' folders.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing to DIR: print how a fresh export differs, exit 1 if it does.",
)
@click.option(
    "--readings",
    is_flag=True,
    help="Write the sample of the shipped models' data that infer's page plots.",
)
def main(
    names: tuple[str, ...], everything: bool, dtype: str, out: Path, check: bool, readings: bool
) -> None:
    """Fit models and write them as artifacts.

    NAME is a model, for all its variants, or MODEL.VARIANT. A folder in DIR is replaced
    atomically, and only once all files of the new one give the same bits.
    """
    if readings:
        from export import _page_readings

        _page_readings.write()
        click.echo(f"wrote {_page_readings.PATH}")
        if not (everything or names):
            return
    if everything == bool(names):
        raise click.UsageError("Name the models to export, or type --all.")
    with errors_for_people():
        import train

        chosen = _variants(tuple(train.list_models()) if everything else names)
        drifted = False
        for model, variants in chosen.items():
            if check:
                drifted |= _check(model, variants, dtype, out)
            else:
                for folder in _export(model, variants, dtype, out):
                    click.echo(f"wrote {folder}")
    if drifted:
        sys.exit(1)


def _variants(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the requested variants, by model.

    Raises:
        train.UnknownNameError: no such model or variant.
    """
    import train
    from train._learn.models import find_model, unknown

    chosen: dict[str, tuple[str, ...]] = {}
    for name in names:
        model, dot, _ = name.partition(".")
        variants = tuple(row.name for row in find_model(model).variants)
        if dot:
            known = {f"{model}.{variant}": variant for variant in variants if variant}
            if name not in known:
                raise train.UnknownNameError(unknown("artifact", name, [model, *known]))
            variants = (known[name],)
        chosen[model] = tuple(dict.fromkeys((*chosen.get(model, ()), *variants)))
    return chosen


def _export(model: str, variants: tuple[str, ...], dtype: str, out: Path) -> list[Path]:
    import export
    import train
    from train._learn.models import find_model

    recipe = find_model(model).recipes[0]
    with progress(f"fitting {model}", recipe.epochs) as watch:
        fit = train.fit(model, dtype=dtype, watch=watch)
    try:
        return export.save(fit, out, variants=variants)
    except export.ExportError as error:
        raise click.ClickException(str(error)) from error


def _check(model: str, variants: tuple[str, ...], dtype: str, out: Path) -> bool:
    """Print how written artifacts differ from fresh ones; return whether they do."""
    from export._drift import differences

    drifted = False
    with tempfile.TemporaryDirectory() as elsewhere:
        for fresh in _export(model, variants, dtype, Path(elsewhere)):
            lines = differences(out / fresh.name, fresh)
            drifted |= bool(lines)
            click.echo("\n".join(lines) if lines else f"{out / fresh.name}: same bytes")
    return drifted
