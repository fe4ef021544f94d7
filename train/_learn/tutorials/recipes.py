"""The tutorials' recipes, by model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from train._learn.recipes import Draw, Recipe

_NORMAL_START = {name: Draw("normal") for name in "abcd"}
_UNIFORM_START: Mapping[str, float | Draw] = {"w": Draw("uniform"), "b": 0.0}
_RAW = {"scale": 1.0}

RECIPES: Mapping[str, tuple[Recipe, ...]] = MappingProxyType(
    {
        "f2c": (
            Recipe(
                "finite-difference", "by hand", 1e-2, 1, "mean", "finite-difference", constants=_RAW
            ),
            Recipe("raw-diverges", "by hand", 1e-2, 100, "mean", "by hand", constants=_RAW),
            Recipe("raw", "by hand", 1e-4, 100, "mean", "by hand", constants=_RAW),
            Recipe(
                "raw-mean",
                "by hand",
                1e-4,
                10_000,
                "mean",
                "by hand",
                constants=_RAW,
                average_again=True,
            ),
            Recipe("normalized", "by hand", 1e-3, 5000, "mean", "by hand"),
            Recipe("autograd", "by hand", 1e-2, 5000, "mean"),
            Recipe("sgd", "SGD", 1e-2, 5000, "mean"),
            Recipe("split", "SGD", 1e-2, 4000, "mean", held_out=(0, 3)),
        ),
        "line": (
            Recipe(
                "manual",
                "by hand",
                1e-4,
                500,
                "half-sum",
                "by hand",
                start=_UNIFORM_START,
                batches="stream",
                batch_size=32,
                seed=1000,
            ),
            Recipe(
                "autograd",
                "by hand",
                1e-4,
                500,
                "half-sum",
                start=_UNIFORM_START,
                batches="stream",
                batch_size=32,
                seed=1000,
            ),
        ),
        "plane": (
            Recipe(
                "scratch",
                "by hand",
                0.03,
                3,
                "half-mean",
                start={"w0": Draw("normal", 0.01), "w1": Draw("normal", 0.01), "b": 0.0},
                batches="in order",
                batch_size=10,
                drawn=True,
            ),
            Recipe(
                "torch",
                "SGD",
                0.03,
                3,
                "mean",
                module="linear",
                batches="shuffled",
                batch_size=10,
                drawn=True,
            ),
        ),
        "sin_cubic": (
            Recipe(
                "numpy",
                "by hand",
                1e-6,
                2000,
                "sum",
                "by hand",
                start=_NORMAL_START,
                dtype="float64",
                library="numpy",
            ),
            Recipe("tensor", "by hand", 1e-6, 2000, "sum", "by hand", start=_NORMAL_START),
            Recipe("autograd", "by hand", 1e-6, 2000, "sum", start=_NORMAL_START),
            Recipe("linear", "by hand", 1e-6, 2000, "sum", module="linear"),
            Recipe("rmsprop", "RMSprop", 1e-3, 2000, "sum", module="linear"),
            Recipe("module", "RMSprop", 3e-3, 2000, "sum", start=_NORMAL_START),
        ),
        "sin_legendre": (Recipe("function", "by hand", 5e-6, 2000, "sum", "function"),),
        "dynamic_net": (
            Recipe(
                "sgd",
                "SGD",
                1e-8,
                30_000,
                "sum",
                momentum=0.9,
                start={name: Draw("normal") for name in "abcde"},
                variants="random",
            ),
        ),
    }
)
