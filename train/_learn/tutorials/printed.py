"""The numbers that the tutorials printed, compared with those of the recipes.

The numbers are text, so that their digits are known. A tutorial that counts its
steps from 0 prints "step t" for what is epoch t + 1 here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infer._commands.table import table as text_table
from train._learn.fit import Fit
from train._learn.verdicts import verdict

# Number of significant digits in which losses must agree.
LOSS_DIGITS = 6


@dataclass(frozen=True)
class Printed:
    """The printed numbers of a recipe.

    Attributes:
        losses: by epoch.
        validation_losses: by epoch.
        parameters: by epoch.
        diverged_at: the first epoch whose loss is not finite.
        random: whether start or data were random, so that only a range over seeds can agree.
        reached: that range: the smallest and largest loss over seeds 0 to 19, by epoch.
        note: a remark.
    """

    losses: Mapping[int, str] = field(default_factory=dict)
    validation_losses: Mapping[int, str] = field(default_factory=dict)
    parameters: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    diverged_at: int | None = None
    random: bool = False
    reached: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    note: str = ""


PRINTED: Mapping[tuple[str, str], Printed] = MappingProxyType(
    {
        ("f2c", "finite-difference"): Printed({1: "1763.8848"}),
        ("f2c", "raw-diverges"): Printed(
            {1: "1763.884766", 2: "5802484.5", 3: "19408029696"}, diverged_at=11
        ),
        ("f2c", "raw"): Printed(
            {1: "1763.884766", 10: "29.105247", 100: "29.022667"},
            parameters={
                1: {"w": "0.5483", "b": "-0.0083"},
                100: {"w": "0.2327", "b": "-0.0438"},
            },
        ),
        ("f2c", "raw-mean"): Printed(note="stalls without ×0.1"),
        ("f2c", "normalized"): Printed(
            {1: "80.364342", 100: "28.951599", 4000: "9.843812", 5000: "7.851448"},
            parameters={5000: {"w": "4.0435", "b": "-9.8084"}},
        ),
        ("f2c", "autograd"): Printed(
            {5000: "2.927648"}, parameters={5000: {"w": "5.3671", "b": "-17.3012"}}
        ),
        ("f2c", "sgd"): Printed(
            {5000: "2.927648"}, parameters={5000: {"w": "5.3671", "b": "-17.3012"}}
        ),
        ("f2c", "split"): Printed(
            {
                1: "53.571865",
                2: "25.937567",
                3: "20.557310",
                500: "7.375591",
                1000: "4.119481",
                2500: "2.935114",
                4000: "2.911628",
            },
            {
                1: "200.930481",
                2: "122.372032",
                3: "97.630035",
                500: "33.852039",
                1000: "16.841705",
                2500: "6.289055",
                4000: "5.213466",
            },
            {4000: {"w": "4.9739", "b": "-15.3188"}},
        ),
        ("line", "manual"): Printed(parameters={500: {"w": "2.0630", "b": "0.4371"}}),
        ("line", "autograd"): Printed(parameters={500: {"w": "2.0630", "b": "0.4371"}}),
        ("plane", "scratch"): Printed(
            {1: "0.025793", 2: "0.000084", 3: "0.000047"},
            random=True,
            reached={
                1: ("0.02433", "0.05168"),
                2: ("0.00008995", "0.0002401"),
                3: ("0.00004674", "0.00005298"),
            },
            note="2% of all seeds give less: seed 62 0.0000760",
        ),
        ("plane", "torch"): Printed(
            {1: "0.000178", 2: "0.000097", 3: "0.000096"},
            random=True,
            reached={
                1: ("0.0001468", "0.0003961"),
                2: ("0.00009290", "0.0001070"),
                3: ("0.00009278", "0.0001062"),
            },
        ),
        ("sin_cubic", "numpy"): Printed(random=True, note="printed no loss to compare"),
        ("sin_cubic", "tensor"): Printed(
            {1989: "8.888579"},
            random=True,
            reached={1989: ("8.902", "13.13")},
            note="5% of all starts give less: seed 75 8.831",
        ),
        ("sin_cubic", "autograd"): Printed(
            {2000: "10.306200"}, random=True, reached={2000: ("8.899", "12.96")}
        ),
        ("sin_cubic", "linear"): Printed(
            {2000: "8.945729"}, random=True, reached={2000: ("8.908", "9.579")}
        ),
        ("sin_cubic", "rmsprop"): Printed(
            {2000: "8.94"},
            random=True,
            reached={2000: ("8.868", "84.16")},
            note="printed 95206, at rate 1e-6",
        ),
        ("sin_cubic", "module"): Printed(random=True, note="printed 75593, at rate 1e-6"),
        ("sin_legendre", "function"): Printed(
            {89: "218.859085", 189: "150.641449", 989: "15.141712", 1589: "9.437203"},
            parameters={2000: {"b": "-2.208527", "d": "0.255486"}},
        ),
        ("dynamic_net", "sgd"): Printed(
            {2000: "1466.09", 10_000: "87.83", 20_000: "10.66", 30_000: "8.887"},
            random=True,
            reached={
                2000: ("53.23", "5210"),
                10_000: ("11.41", "172.3"),
                20_000: ("8.913", "13.63"),
                30_000: ("8.544", "8.994"),
            },
        ),
    }
)


def disagreements(fit: Fit, printed: Printed) -> list[str]:
    """Return where a fit differs from the printed numbers; empty for a random start."""
    if printed.random:
        return []
    found = []
    epochs = {epoch.number: epoch for epoch in fit.history}
    for what, expected in (
        ("loss", printed.losses),
        ("validation_loss", printed.validation_losses),
    ):
        for number, text in expected.items():
            value = getattr(epochs.get(number), what, None)
            if value is None or not _agree_in_digits(value, text):
                found.append(f"{what} of epoch {number:,} is {value}, printed {text}")
    for number, numbers in printed.parameters.items():
        for name, text in numbers.items():
            value = epochs[number].parameters[name] if number in epochs else None
            if value is None or not _agree_in_print(value, text):
                found.append(f"{name} after epoch {number:,} is {value}, printed {text}")
    if printed.diverged_at != fit.diverged_at:
        found.append(f"diverged at {fit.diverged_at}, printed {printed.diverged_at}")
    return found


def _agree_in_digits(value: float, text: str) -> bool:
    """Return whether a loss agrees in the significant digits that count and were printed."""
    digits = min(LOSS_DIGITS, len(text.replace(".", "").lstrip("0")))
    last = 10.0 ** (math.floor(math.log10(abs(float(text)))) - digits + 1)
    return abs(value - float(text)) <= 0.5 * last * (1 + 1e-9)


def _agree_in_print(value: float, text: str) -> bool:
    """Return whether a parameter prints as in the tutorial."""
    decimals = len(text.partition(".")[2])
    return f"{value:.{decimals}f}" == text


def table(fits: Mapping[tuple[str, str], Fit]) -> str:
    """Return the table of all recipes: printed, obtained, best possible, verdict."""
    head = ("model", "recipe", "printed", "obtained", "best possible", "verdict", "reproduced")
    return text_table(head, [_row(fit, PRINTED[key]) for key, fit in fits.items()])


def _row(fit: Fit, printed: Printed) -> tuple[str, ...]:
    if printed.losses:
        epoch, text = max(printed.losses.items())
        obtained = f"{fit.losses[epoch - 1]:.7g}" if epoch <= fit.epochs else "-"
        shown = f"{text} at epoch {epoch:,}"
    else:
        last = printed.parameters[max(printed.parameters)] if printed.parameters else {}
        shown = ", ".join(f"{k} {v}" for k, v in last.items()) or printed.note
        obtained = ", ".join(f"{k} {fit.parameters[k]:.4f}" for k in last)
        obtained = obtained or f"{fit.losses[-1]:.7g}"
    return (
        fit.name,
        fit.recipe.name,
        shown,
        obtained,
        f"{fit.best_loss:.7g}",
        verdict(fit),
        _reproduced(fit, printed),
    )


def outside(printed: Printed) -> list[int]:
    """Return the epochs whose printed loss is outside the range of seeds 0 to 19."""
    found = []
    for epoch, bounds in printed.reached.items():
        text = printed.losses[epoch]
        decimals = len(text.partition(".")[2])
        low, high = (round(float(bound), decimals) for bound in bounds)
        if not low <= float(text) <= high:
            found.append(epoch)
    return found


def _reproduced(fit: Fit, printed: Printed) -> str:
    note = f"; {printed.note}" if printed.note else ""
    if not printed.random:
        wrong = disagreements(fit, printed)
        return f"no: {wrong[0]}" if wrong else "yes"
    if not printed.reached:
        return f"random start{note}"
    for epoch in outside(printed):
        low, high = printed.reached[epoch]
        return (
            f"no: seeds 0-19 give {low} to {high} at epoch {epoch:,}, "
            f"printed {printed.losses[epoch]}{note}"
        )
    low, high = printed.reached[max(printed.reached)]
    return f"inside what seeds 0-19 give, {low} to {high}{note}"
