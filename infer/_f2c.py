"""The command ``f2c``."""

from __future__ import annotations

from typing import Any

import click

from infer._commands.answer import NumbersCommand, answer_all, answer_options


@click.command(cls=NumbersCommand)
@answer_options
def main(values: tuple[str, ...], **options: Any) -> None:
    """Convert readings of the fitted thermometer from °F to °C, one answer per line.

    With -, or without a value and with a pipe, reads one number per line. The curve is what eleven
    noisy readings teach (98.6 gives 35.6, where the true scale says 37.0); see: infer show f2c.
    """
    answer_all("f2c", values, **options)
