"""The training loop: one for every model and recipe."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train._datasets import Dataset, load_dataset
from train._errors import DivergedError, NotAtOptimumError, TrainError, UnknownNameError
from train._judge import Verdict, judge, without_negligible
from train._models import ModelSpec, Variant, find_model, find_recipe, unknown
from train._recipes import Recipe

# The dtype that models are served in.
DTYPE = "float32"

# A fit stands still when so many epochs in a row move no prediction by more than this share of
# the largest one. Float32 resolves 2**-24; float64 leaves room for 2**-44 above its own noise.
_STILL_EPOCHS = 3
_STILL_SHARE = 2.0**-44

Progress = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    Attributes:
        model: the row of the table that was fitted.
        recipe: how.
        device: where, "cpu" or "cuda".
        dataset: to what.
        epochs: how many passes it took.
        losses: the training loss of each epoch, before its step.
        parameters: what was found, rounded once to float32, negligible ones zero.
        optimum: the judge's parameters: the exact optimum, rounded in the same way.
        loss: loss of ``parameters``, computed exactly.
        best_loss: the smallest loss that any parameters reach.
    """

    model: ModelSpec
    recipe: Recipe
    device: str
    dataset: Dataset
    epochs: int
    losses: tuple[float, ...]
    parameters: Mapping[str, float]
    optimum: Mapping[str, float]
    loss: float
    best_loss: float

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def differing_bits(self) -> int:
        """Number of bits in which ``parameters`` differ from ``optimum``."""
        return sum(
            (_float32_bits(self.parameters[name]) ^ _float32_bits(self.optimum[name])).bit_count()
            for name in self.optimum
        )

    def module(self, variant: Variant) -> nn.Module:
        """Return the fitted module of a variant: float32, on the CPU, no gradients."""
        return fitted_module(self.model, self.parameters, variant, torch.float32)


def fitted_module(
    model: ModelSpec, parameters: Mapping[str, float], variant: Variant, dtype: torch.dtype
) -> nn.Module:
    """Return a variant's module with these parameters, in evaluation mode, on the CPU."""
    module = model.module()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(parameters[name])
    return variant.view(module).to(dtype).requires_grad_(False).eval()


def fit(
    name: str | ModelSpec,
    *,
    recipe: str | Recipe | None = None,
    device: str = "cpu",
    on_epoch: Progress | None = None,
) -> Fit:
    """Fit a model.

    Args:
        name: a name of ``list_models()``, or a row of your own.
        recipe: the name of one of the model's recipes, or one of your own; its default for None.
        device: "cpu" or "cuda".
        on_epoch: called after each epoch with its number, from 1, and its loss.

    Returns:
        The fit, certified by the judge if the recipe goes on until the optimum.

    Raises:
        UnknownNameError: no such model, recipe or device.
        DivergedError: the loss became infinite or nan.
        NotAtOptimumError: a recipe that goes on until the optimum ended elsewhere.
    """
    model = find_model(name) if isinstance(name, str) else name
    chosen = recipe if isinstance(recipe, Recipe) else find_recipe(model, recipe)
    place = _device(device)
    dataset = load_dataset(model.dataset) if isinstance(model.dataset, str) else model.dataset
    module, losses = _train(model, chosen, dataset, place, on_epoch)
    found = {name: value.item() for name, value in module.float().named_parameters()}
    if not all(map(math.isfinite, found.values())):
        # The last step went too far; the loss of one more epoch would have shown it.
        raise DivergedError(
            model.name, chosen.name, len(losses) + 1, chosen.learning_rate, math.inf
        )
    verdict = _judge(model, chosen, dataset)
    parameters = without_negligible(found, _features(dataset), _designs(model), DTYPE)
    result = Fit(
        model=model,
        recipe=chosen,
        device=device,
        dataset=dataset,
        epochs=len(losses),
        losses=tuple(losses),
        parameters=parameters,
        optimum=verdict.parameters,
        loss=verdict.loss(parameters),
        best_loss=verdict.best_loss,
    )
    if chosen.until == "optimum" and result.differing_bits:
        raise NotAtOptimumError(
            f"{model.name}: recipe {chosen.name!r} ended after {result.epochs} epochs at "
            f"{dict(parameters)}, {result.differing_bits} bits from the optimum "
            f"{dict(verdict.parameters)}. Give it more epochs or a rate nearer to 1."
        )
    return result


def _train(
    model: ModelSpec,
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    on_epoch: Progress | None,
) -> tuple[nn.Module, list[float]]:
    dtype = getattr(torch, recipe.dtype)
    x = torch.tensor(dataset.x, dtype=dtype, device=device)
    y = torch.tensor(dataset.y, dtype=dtype, device=device)
    module = model.module().to(device, dtype)
    views = [variant.view(module).to(device, dtype) for variant in model.variants]
    optimizer = _optimizer(recipe, module)
    predictions = torch.zeros(len(views), len(y), dtype=dtype, device=device)

    def closure() -> Tensor:
        nonlocal predictions
        optimizer.zero_grad()
        predictions = torch.stack([view(x) for view in views])
        squares = (predictions - y).square().sum() / len(views)
        loss = squares / len(y) if recipe.loss == "mean" else squares
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    losses: list[float] = []
    still = 0
    for epoch in range(1, recipe.epochs + 1):
        before = predictions
        loss = float(optimizer.step(closure))  # type: ignore[arg-type]
        if not math.isfinite(loss):
            raise DivergedError(model.name, recipe.name, epoch, recipe.learning_rate, loss)
        losses.append(loss)
        if on_epoch is not None:
            on_epoch(epoch, loss)
        if recipe.until == "optimum":
            now = predictions.detach()
            moved, largest = (now - before.detach()).abs().max(), now.abs().max()
            still = still + 1 if bool(moved <= _STILL_SHARE * largest) else 0
            if still == _STILL_EPOCHS:
                break
    return module.cpu(), losses


def _optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimizer == "LBFGS":
        return torch.optim.LBFGS(
            module.parameters(),
            lr=recipe.learning_rate,
            max_iter=1,  # the loop counts, watches and stops; the state lives on between steps
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=20,
        )
    return torch.optim.SGD(module.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)


def _device(name: str) -> torch.device:
    if name not in ("cpu", "cuda"):
        raise UnknownNameError(unknown("device", name, ["cpu", "cuda"]))
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("no CUDA device here; type --device cpu")
    return torch.device(name)


def _features(dataset: Dataset) -> list[list[float]]:
    columns: list[list[float]] = dataset.x.reshape(dataset.rows, -1).T.tolist()
    return columns


def _designs(model: ModelSpec) -> list[Mapping[str, Mapping[tuple[int, ...], float]]]:
    return [variant.terms for variant in model.variants]


def _judge(model: ModelSpec, recipe: Recipe, dataset: Dataset) -> Verdict:
    return judge(
        _features(dataset),
        dataset.y.tolist(),
        _designs(model),
        mean=recipe.loss == "mean",
        dtype=DTYPE,
    )


def _float32_bits(value: float) -> int:
    bits: int = struct.unpack("<I", struct.pack("<f", value))[0]
    return bits
