"""The training loop: one for every model and recipe."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from train._errors import TrainError
from train._learn.datasets import DATASETS, Dataset, load_dataset
from train._learn.gradients import STRATEGIES, Forward, Gradient, State, loss_of
from train._learn.modules import round_constants, set_values, values
from train._learn.recipes import REDUCTIONS, Draw, DType, Recipe
from train._learn.spec import ModelSpec, designs
from train._learn.steps import Stepper, make_stepper

# A fit has converged when this many epochs in a row move no prediction by more than this fraction
# of the largest one. Float32 resolves 2**-24; float64 leaves room for 2**-44 above its own noise.
_CONVERGED_EPOCHS = 2
_CONVERGED_SHARE = 2.0**-44

# Rows per block where a step uses all rows: intermediates stay in the processor's cache, and memory
# does not grow with the rows. Longer blocks are no faster: torch would split each operation among
# threads and wait for them.
_BLOCK = 1 << 15


class Epoch(NamedTuple):
    """The state after an epoch.

    Attributes:
        number: counted from 1.
        loss: of the whole data (of the batch, for a stream). Before the step, where the epoch is
            one step; after the last one, where it is many.
        validation_loss: of the validation rows, at the same time; None if there are none.
        parameters: after the epoch.
    """

    number: int
    loss: float
    validation_loss: float | None
    parameters: Mapping[str, float]


# Called after each epoch; True ends the fit there.
Watcher = Callable[[Epoch], object]


@dataclass(frozen=True)
class Outcome:
    """The end of a run of the loop.

    Attributes:
        values: the parameters, as doubles.
        epochs: the history.
        gradient: of the last step, unless computed by autograd.
        training: the training rows.
        validation: the validation rows, or None.
        end: why it ended: "epochs" (all done), "converged", "stopped" or "diverged".
        checkpoint: what ``resume`` needs to continue from here.
    """

    values: Mapping[str, float]
    epochs: Sequence[Epoch]
    gradient: Mapping[str, float] | None
    training: Dataset
    validation: Dataset | None
    end: str
    checkpoint: Mapping[str, Any]


def run(
    model: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    watch: Watcher | None,
    resume: Mapping[str, Any] | None,
    dtype: DType = "float32",
) -> Outcome:
    """Train a model by a recipe; everything random comes from the recipe's seed.

    Args:
        model: the model to train.
        recipe: its recipe.
        device: the device.
        watch: called after each epoch.
        resume: an earlier outcome's checkpoint of the same model, recipe and dtype.
        dtype: what the model is served in; its constants are rounded to it.
    """
    with torch.random.fork_rng(devices=[]):
        # Of the CPU alone: torch.manual_seed would also reseed the caller's GPU.
        torch.default_generator.manual_seed(recipe.seed)
        return _Run(model, recipe, device, dtype).train(watch, resume)


class _Run:
    """A model, its data and its stepper, prepared from a recipe."""

    def __init__(
        self, model: ModelSpec, recipe: Recipe, device: torch.device, dtype: DType
    ) -> None:
        self._model, self._recipe, self._device, self._dtype = model, recipe, device, dtype
        self._streamed: list[tuple[Tensor, Tensor]] = []
        dataset = _dataset(model, recipe)
        self._training, self._validation = _split(dataset, recipe)
        self._state = self._make_state()
        self._forwards = self._make_forwards()
        self._x, self._y = self._to_device(self._training)
        self._held_out = self._to_device(self._validation) if self._validation else None
        transform = self._whitening() if recipe.whiten else None
        self._stepper: Stepper = make_stepper(self._state, recipe, transform)
        self._strategy = STRATEGIES[recipe.gradient]

    def train(self, watch: Watcher | None, resume: Mapping[str, Any] | None) -> Outcome:
        """Run the epochs."""
        recipe = self._recipe
        many = recipe.batches in ("in order", "shuffled")
        epochs: list[Epoch] = []
        gradient: Gradient = {}
        end, still, before = "epochs", 0, None
        if resume is not None:
            self._restore(resume)
            epochs += [Epoch(*row) for row in resume["epochs"]]
            gradient, still = resume["gradient"] or {}, resume["still"]
            before = [old.to(self._device) for old in resume["before"] or []] or None
        for number in range(len(epochs) + 1, recipe.epochs + 1):
            if still == _CONVERGED_EPOCHS:
                end = "converged"
                break
            for x, y in self._batches():
                forwards = self._drawn_forwards()
                loss, gradient, predictions = self._evaluate(forwards, x, y)
                validation = None if many else self._validation_loss()
                if not math.isfinite(loss):
                    break
                self._stepper.step(loss, gradient)
            if many:
                loss, validation = self._loss(self._x, self._y), self._validation_loss()
            epochs.append(Epoch(number, float(loss), validation, self._numbers()))
            if not math.isfinite(loss):
                end = "diverged"
                break
            if recipe.until == "optimum":
                still = still + 1 if before is not None and _converged(before, predictions) else 0
                before = predictions
            if watch is not None and watch(epochs[-1]) is True:
                end = "stopped"
                break
        shown = recipe.gradient in ("by hand", "finite-difference")
        slopes = _floats(gradient) if shown else None
        return Outcome(
            values=self._numbers(),
            epochs=tuple(epochs),
            gradient=slopes,
            training=self._streamed_dataset() if self._streamed else self._training,
            validation=self._validation,
            end=end,
            checkpoint={
                "fit": self._identity(),
                "epochs": [tuple(epoch) for epoch in epochs],
                "gradient": slopes,
                "still": still,
                "before": before,
                **self._checkpoint(),
            },
        )

    # The model and its data.

    def _make_state(self) -> State:
        recipe = self._recipe
        module = self._model.make_module(recipe.module)
        if not recipe.module:
            set_values(module, recipe.constants)
            set_values(module, {k: _start(start) for k, start in recipe.start.items()})
        round_constants(module, self._dtype)
        if recipe.library == "torch":
            return module.to(self._device, getattr(torch, recipe.dtype))
        return _numpy_state(module, recipe)

    def _make_forwards(self) -> list[Forward]:
        state = self._state
        if not isinstance(state, nn.Module):
            return [state.forward]
        if self._recipe.module:
            return [state]
        return [variant.view(state) for variant in self._model.variants]

    def _drawn_forwards(self) -> Sequence[Forward]:
        if self._recipe.variants == "all":
            return self._forwards
        return [self._forwards[int(torch.randint(len(self._forwards), ()))]]

    def _to_device(self, dataset: Dataset) -> tuple[Any, Any]:
        if self._recipe.library == "numpy":
            return dataset.x.astype(self._recipe.dtype), dataset.y.astype(self._recipe.dtype)
        dtype = getattr(torch, self._recipe.dtype)
        with warnings.catch_warnings():
            # Datasets are read-only, and nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            x, y = torch.from_numpy(dataset.x), torch.from_numpy(dataset.y)
        return x.to(self._device, dtype), y.to(self._device, dtype)

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        """Yield the batches of an epoch."""
        recipe, rows = self._recipe, self._training.rows
        if recipe.batches == "all":
            yield self._x, self._y
        elif recipe.batches == "stream":
            batch = self._draw_batch()
            dtype = getattr(torch, recipe.dtype)
            yield batch[0].to(self._device, dtype), batch[1].to(self._device, dtype)
        else:
            order = torch.arange(rows) if recipe.batches == "in order" else torch.randperm(rows)
            for chosen in torch.split(order.to(self._device), recipe.batch_size):
                yield self._x[chosen], self._y[chosen]

    def _draw_batch(self) -> tuple[Tensor, Tensor]:
        self._streamed.append(_draw(self._model, self._recipe.batch_size))
        return self._streamed[-1]

    def _streamed_dataset(self) -> Dataset:
        x, y = (torch.cat(parts).double().numpy() for parts in zip(*self._streamed, strict=True))
        return Dataset(f"{self._training.name}, streamed", x, y)

    # One step.

    def _evaluate(self, forwards: Sequence[Forward], x: Any, y: Any) -> tuple[Any, Gradient, Any]:
        """Return loss, gradient, and the predictions of the first block."""
        recipe, rows = self._recipe, len(y)
        predictions = None
        if recipe.until == "optimum":
            with torch.no_grad():
                predictions = [forward(x[:_BLOCK]) for forward in forwards]
        if rows <= _BLOCK or recipe.library == "numpy":
            loss, gradient = self._strategy(self._state, forwards, x, y, recipe)
            return float(loss), gradient, predictions
        total, sums = 0.0, dict.fromkeys(values(self._state), 0.0)
        for start in range(0, rows, _BLOCK):
            block = slice(start, start + _BLOCK)
            loss, gradient = self._strategy(self._state, forwards, x[block], y[block], recipe)
            share = len(y[block]) / rows if REDUCTIONS[recipe.loss][1] else 1.0
            total += share * float(loss)
            for name, slope in gradient.items():
                sums[name] = sums[name] + share * slope
        return total, sums, predictions

    def _validation_loss(self) -> float | None:
        return None if self._held_out is None else self._loss(*self._held_out)

    def _loss(self, x: Any, y: Any) -> float:
        with torch.no_grad():
            return float(loss_of(self._forwards, x, y, self._recipe))

    def _whitening(self) -> Tensor:
        """Return T such that the curvature of the loss in q, with p = T·q, is the unit matrix.

        For squared errors of a model that is linear in its parameters, the curvature is 2·G times
        the loss's factor, with G the Gram matrix of what the parameters are multiplied by.
        """
        names = list(values(self._state))
        # By numpy: torch's linear algebra starts all its threads for a few numbers, and waits for
        # them longer than the whole fit takes.
        gram = np.zeros((len(names), len(names)))
        for design in designs(self._model, self._recipe, self._dtype):
            for start in range(0, len(self._x), _BLOCK):
                x = self._x[start : start + _BLOCK]
                columns = [_polynomial(design[name], x.reshape(len(x), -1)) for name in names]
                for i, column in enumerate(columns):
                    for j, other in enumerate(columns[: i + 1]):
                        gram[i, j] += (column * other).sum().item() / len(self._model.variants)
        factor, mean = REDUCTIONS[self._recipe.loss]
        curvature = gram * (2.0 * factor / (len(self._x) if mean else 1))
        try:
            lower = np.linalg.cholesky(curvature)  # reads the lower triangle alone
        except np.linalg.LinAlgError:
            raise TrainError(
                f"{self._model.name}: the data do not determine all parameters; give more "
                "different inputs, or fewer parameters"
            ) from None
        return torch.tensor(np.linalg.inv(lower).T, dtype=self._x.dtype, device=self._device)

    # The state of the run.

    def _numbers(self) -> dict[str, float]:
        if isinstance(self._state, nn.Module):
            return {name: value.item() for name, value in values(self._state).items()}
        return {name: float(getattr(self._state, name)) for name in self._model.parameters}

    def _identity(self) -> dict[str, Any]:
        """Return what a fit must share with the checkpoint that it resumes from."""
        settings = self._recipe.settings()
        del settings["epochs"]
        return {
            "model": self._model.name,
            "recipe": self._recipe.name,
            "served in": self._dtype,
            **settings,
        }

    def _checkpoint(self) -> dict[str, Any]:
        is_module = isinstance(self._state, nn.Module)
        return {
            "state": self._state.state_dict() if is_module else self._numbers(),
            "stepper": self._stepper.state_dict(),
            "generator": torch.get_rng_state(),
        }

    def _restore(self, checkpoint: Mapping[str, Any]) -> None:
        if checkpoint.get("fit") != self._identity():
            raise TrainError(
                f"{self._model.name}: the checkpoint does not match recipe {self._recipe.name!r} "
                f"with these settings, for {self._dtype}; only the number of epochs may change"
            )
        if isinstance(self._state, nn.Module):
            self._state.load_state_dict(checkpoint["state"])
        else:
            for name, number in checkpoint["state"].items():
                setattr(self._state, name, type(getattr(self._state, name))(number))
        if self._recipe.batches == "stream":
            for _ in checkpoint["epochs"]:
                self._draw_batch()  # the earlier batches, for the report
        self._stepper.load_state_dict(checkpoint["stepper"])
        torch.set_rng_state(checkpoint["generator"])


def _numpy_state(module: nn.Module, recipe: Recipe) -> SimpleNamespace:
    """Return an object with the module's parameters as numpy scalars, and with its formulas.

    The formulas only use operators on attributes, so they run on any object that has them.
    """
    kind: Any = type(module)
    number = np.dtype(recipe.dtype).type
    state = SimpleNamespace(**{k: number(v.item()) for k, v in values(module).items()})
    state.forward = lambda x: kind.forward(state, x)
    state.partials = lambda x: kind.partials(state, x)
    return state


def _draw(model: ModelSpec, rows: int) -> tuple[Tensor, Tensor]:
    draw = DATASETS[model.dataset].draw if isinstance(model.dataset, str) else None
    if draw is None:
        raise TrainError(f"{model.name}: its data cannot be redrawn")
    return draw(rows)


def _dataset(model: ModelSpec, recipe: Recipe) -> Dataset:
    fixed = load_dataset(model.dataset) if isinstance(model.dataset, str) else model.dataset
    if not (np.isfinite(fixed.x).all() and np.isfinite(fixed.y).all()):
        raise TrainError(f"{model.name}: not all numbers of dataset {fixed.name!r} are finite")
    if not recipe.drawn:
        return fixed
    x, y = (part.double().numpy() for part in _draw(model, fixed.rows))
    return Dataset(f"{fixed.name}, seed {recipe.seed}", x, y)


def _split(dataset: Dataset, recipe: Recipe) -> tuple[Dataset, Dataset | None]:
    """Return the training rows and the validation rows."""
    held_out = list(recipe.held_out)
    fraction = recipe.validation_fraction
    if not 0.0 <= fraction < 1.0:
        raise TrainError(
            f"a validation fraction of {fraction:g} must be at least 0 and less than 1"
        )
    if fraction:
        count = round(fraction * dataset.rows)
        if not 1 <= count < dataset.rows:
            raise TrainError(
                f"a validation fraction of {fraction:g} leaves {count} of {dataset.rows} rows for "
                "validation; at least one must validate and one train"
            )
        generator = torch.Generator().manual_seed(recipe.seed)
        held_out = torch.randperm(dataset.rows, generator=generator)[:count].tolist()
    if not held_out:
        return dataset, None
    validates = np.zeros(dataset.rows, dtype=bool)
    validates[held_out] = True
    return (
        Dataset(f"{dataset.name}, training rows", dataset.x[~validates], dataset.y[~validates]),
        Dataset(f"{dataset.name}, validation rows", dataset.x[validates], dataset.y[validates]),
    )


def _start(start: float | Draw) -> float:
    if not isinstance(start, Draw):
        return start
    drawn = torch.randn(()) if start.kind == "normal" else torch.rand(())
    return start.scale * drawn.item()


def _polynomial(basis: Mapping[tuple[int, ...], float], x: Tensor) -> Tensor:
    total: Tensor = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for exponents, coefficient in basis.items():
        term: Tensor = torch.full_like(total, coefficient)
        for feature, power in enumerate(exponents):
            for _ in range(power):
                term *= x[:, feature]
        total += term
    return total


def _converged(before: Sequence[Tensor], now: Sequence[Tensor]) -> bool:
    """Return whether no prediction moved by more than the tolerance."""
    return all(
        bool((new - old).abs().max() <= _CONVERGED_SHARE * new.abs().max())
        for old, new in zip(before, now, strict=True)
    )


def _floats(gradient: Gradient) -> dict[str, float]:
    return {name: float(value) for name, value in gradient.items()}
