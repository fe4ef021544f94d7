"""The model card: what ``model.json`` says, as records that never change."""

from __future__ import annotations

from infer._program.program import Program
from infer._record import Record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infer._ieee.floats import DType


class Port(Record):
    """An input or the output of a model.

    Attributes:
        name: its name in formula and program.
        dtype: the dtype of its values.
        shape: "..." stands for any leading axes; a number is the length of the last axis.
        unit: the unit of its values, "1" if they have none.
    """

    name: str
    dtype: DType
    shape: tuple[str | int, ...]
    unit: str


class FileRecord(Record):
    """Size in bytes and SHA-256 in lowercase hex of a file next to ``model.json``."""

    size: int
    sha256: str


class DatasetRecord(Record):
    """The data of a fit: name, number of rows, SHA-256 over its float64 values."""

    name: str
    rows: int
    sha256: str


class Training(Record):
    """How the parameters were found.

    Attributes:
        recipe: name of the recipe.
        settings: what the recipe sets (optimizer, learning rate, loss, …).
        dataset: what it was fitted to.
        loss: loss of the parameters as served.
        best_loss: the smallest loss that any parameters could reach.
        versions: version by library name.
    """

    recipe: str
    settings: Mapping[str, str | float | bool]
    dataset: DatasetRecord
    loss: float
    best_loss: float
    versions: Mapping[str, str]


class Uncertainty(Record):
    """What the readings of a fit say about its curve.

    With u_j = (x_j - center_j) / half_width_j and the terms t_i = Π_j u_j^powers[i][j], the curve
    is Σ curve_i·t_i. Its variance, in units of ``residual_sd`` squared, is Σ_r (Σ_i
    factor[r][i]·t_i)².

    Attributes:
        residual_sd: standard deviation of a reading of standard uncertainty 1.
        degrees_of_freedom: number of readings less the number of terms.
        powers: exponents of each term, one per feature.
        center: what is subtracted from each feature.
        half_width: what each feature is divided by then.
        curve: the exact fit, one coefficient per term.
        factor: one orthonormal function per row, as coefficients of the terms.
        typical_sigma: standard uncertainty of a typical reading, 1 for an unweighted fit.
    """

    residual_sd: float
    degrees_of_freedom: int
    powers: tuple[tuple[int, ...], ...]
    center: tuple[float, ...]
    half_width: tuple[float, ...]
    curve: tuple[float, ...]
    factor: tuple[tuple[float, ...], ...]
    typical_sigma: float


class ReadingsSample(Record):
    """Some of the rows that a model was fitted to, for a chart of its curve.

    Attributes:
        x: one number per reading, or one tuple per reading if there are several features.
        y: one number per reading.
    """

    x: tuple[float, ...] | tuple[tuple[float, ...], ...]
    y: tuple[float, ...]


class EvaluationError(Record):
    """How far the served answer is from the exact curve, at worst over the domain.

    Attributes:
        absolute: in the output's unit.
        ulp: in units in the last place of the answer.
    """

    absolute: float
    ulp: float


class ModelCard(Record):
    """Everything that ``model.json`` holds; docs/artifact-format.md describes each field.

    Attributes:
        format_version: version of the artifact format.
        name: the model's name, ``<model>`` or ``<model>.<variant>``.
        default_variant: whether the bare ``<model>`` means this one.
        title: one line for people.
        description: what a user should know before using it.
        formula: the function in the field's notation.
        dtype: the dtype of every step.
        inputs: the one input.
        outputs: the one output.
        domain: smallest and largest value of each feature that the fit saw.
        parameters: what the fit found, by name.
        constants: what was fixed beforehand, by name.
        program: the steps, one per line.
        training: how the parameters were found.
        files: size and hash of each file next to ``model.json``.
        uncertainty: what the readings say about the curve, None if the model was not fitted to
            measurements or has as many terms as readings.
        evaluation_error: how far the served answer is from the exact curve, None if not known.
        digest: SHA-256 of ``model.json`` itself, its own 64 digits taken as zeros.
        compiled: the program, checked and ready to run.
        readings: some of the rows that it was fitted to, None if the card holds none.
    """

    format_version: int
    name: str
    default_variant: bool
    title: str
    description: str
    formula: str
    dtype: DType
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    domain: tuple[tuple[float, float], ...]
    parameters: Mapping[str, float]
    constants: Mapping[str, float]
    program: tuple[str, ...]
    training: Training
    files: Mapping[str, FileRecord]
    uncertainty: Uncertainty | None
    evaluation_error: EvaluationError | None
    digest: str
    compiled: Program
    readings: ReadingsSample | None = None

    @property
    def input(self) -> Port:
        """The input."""
        return self.inputs[0]

    @property
    def output(self) -> Port:
        """The output."""
        return self.outputs[0]

    @property
    def features(self) -> int | None:
        """Length of the input's last axis, or None for an elementwise model."""
        return self.compiled.features
