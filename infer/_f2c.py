"""The command ``f2c``."""

from __future__ import annotations

import click

from infer._answer import NumbersCommand, answer_all, answer_options, interval_options


@click.command(cls=NumbersCommand)
@answer_options
@interval_options
def main(
    values: tuple[str, ...],
    digits: int | None,
    runtime: str,
    as_json: bool,
    quiet: bool,
    interval: float | None,
    kind: str | None,
) -> None:
    """Convert readings of the fitted thermometer from °F to °C, one answer a line.

    With -, or without a value and with a pipe, reads one number a line. The curve is what eleven
    noisy readings teach (98.6 gives 35.6, where the true scale says 37.0); see: infer show f2c.
    """
    answer_all(
        "f2c",
        values,
        digits=digits,
        runtime=runtime,
        as_json=as_json,
        quiet=quiet,
        interval=interval,
        kind=kind,
    )
