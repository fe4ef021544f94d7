"""The artifact format: reading ``model.json`` strictly, and the bytes that it must have.

docs/artifact-format.md is the contract, docs/model.schema.json its machine-readable part. What
the schema can say, this module refuses in the same way; what it cannot (names that are defined
before use, constants that fit the dtype, the digest), this module checks on top.
"""

from __future__ import annotations

import json
import re
import sys

from infer._artifact.card import (
    DatasetRecord,
    EvaluationError,
    FileRecord,
    ModelCard,
    Port,
    ReadingsSample,
    Training,
    Uncertainty,
)
from infer._artifact.frozen import FrozenMapping
from infer._artifact.sha256 import sha256
from infer._errors import ArtifactError
from infer._ieee.floats import is_representable
from infer._program.program import ProgramError, parse
from infer._text import shortened

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias, TypeVar

    from infer._ieee.floats import DType

    T = TypeVar("T")
    Reader: TypeAlias = Callable[[Any, str], T]

FORMAT_VERSION = 1
CARD_FILE = "model.json"
SIBLING_FILES = ("model.onnx", "model.pt", "model.pt2")

# Limits that keep a card from costing time or memory; docs/artifact-format.md lists them. What
# calibrate and export write stays far below, or is held below by the size of the card.
MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 24
MAX_STEPS = 10_000
MAX_FEATURES = 1_000
MAX_READINGS = 10_000
MAX_COUNT = 1 << 53  # every whole number up to here is a double
MAX_NAME = 200  # characters
MAX_TERMS = 300
MAX_EXPONENT = 100
MAX_EXPONENT_SUM = 10_000

NAME_PATTERN = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?"
_VARIABLE_PATTERN = r"[a-z][a-z0-9_]*"
_SHA256_PATTERN = r"[0-9a-f]{64}"
# No control character (a terminal would obey it), none that turns the direction of
# writing (a terminal would show something else), and no lone surrogate (it cannot be printed).
_PRINTABLE_PATTERN = (
    r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_DIGEST_FIELD = re.compile(rb'"digest": "([0-9a-f]{64})"')
_DIGEST_BLANK = b'"digest": "' + b"0" * 64 + b'"'

# Of a whole number that may still be a double, and be called one that is too large.
_MAX_DIGITS = 1_000

_PLAIN = {int, float}  # not bool, although it is an int


class _InvalidError(Exception):
    """A value at a key is not what the format asks for."""

    def __init__(self, key: str, expected: str, found: str) -> None:
        super().__init__(f"key {shortened(key)!r}: expected {expected}, found {found}")


def render(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of ``model.json`` for a document, its digest filled in."""
    blank = {**document, "digest": "0" * 64}
    text = json.dumps(blank, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    data = text.encode() + b"\n"
    digest = sha256(data).encode()
    return data.replace(_DIGEST_BLANK, b'"digest": "' + digest + b'"')


def read_card(data: bytes, where: str) -> ModelCard:
    """Check the bytes of a ``model.json`` and return the card.

    Args:
        data: the file's content.
        where: what to call the file in an error.

    Raises:
        ArtifactError: it is not exactly what the format asks for; says which file, which key,
            what was expected.
    """
    try:
        document = _parse_json(data)
        card = _read_document(document)
        _check_digest(data, card.digest)
    except _InvalidError as error:
        raise ArtifactError(f"{where}: {error}") from None
    return card


def _parse_json(data: bytes) -> Any:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise _InvalidError(key, "each key once", "it twice")
            result[key] = value
        return result

    def no_constant(text: str) -> float:
        raise _InvalidError("(a number)", "a finite number", text)

    def integer(text: str) -> float:
        if len(text) > _MAX_DIGITS:  # converting takes quadratic time
            raise _InvalidError("(a number)", "a finite number", f"one of {len(text):,} digits")
        # JSON's -0 is minus zero; Python's int has none.
        return -0.0 if text == "-0" else int(text)

    if len(data) > MAX_CARD_BYTES:
        raise _InvalidError("(the file)", f"at most {MAX_CARD_BYTES:,} bytes", "more")
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=no_duplicates,
            parse_constant=no_constant,
            parse_int=integer,
        )
    except (ValueError, RecursionError) as error:
        raise _InvalidError("(the file)", "JSON in UTF-8", f"an error: {error}") from None


def _check_digest(data: bytes, digest: str) -> None:
    if _DIGEST_FIELD.findall(data) != [digest.encode()]:
        raise _InvalidError(
            "digest", 'the text "digest": "<64 hex digits>" once in the file', "another spelling"
        )
    actual = sha256(_DIGEST_FIELD.sub(_DIGEST_BLANK, data))
    if actual != digest:
        raise _InvalidError(
            "digest",
            f"{digest[:16]}…, the digest of the content when it was written",
            f"content with digest {actual[:16]}…: the file was changed since",
        )


def _read_document(document: Any) -> ModelCard:
    # The version decides how the rest is read, so it is looked at first.
    version = document.get("format_version") if isinstance(document, dict) else None
    if version is not None and (_is_bool(version) or version != FORMAT_VERSION):
        raise _InvalidError("format_version", f"the number {FORMAT_VERSION}", _show(version))
    fields = _object(document, "", _DOCUMENT, optional=("readings",))
    dtype: DType = fields["dtype"]
    source, target = fields["inputs"][0], fields["outputs"][0]
    for key, port in (("inputs[0].dtype", source), ("outputs[0].dtype", target)):
        if port.dtype != dtype:
            raise _InvalidError(key, f"the model's dtype {dtype!r}", repr(port.dtype))
    if len(target.shape) != 1:
        raise _InvalidError("outputs[0].shape", '["..."]', _show(list(target.shape)))
    features = source.shape[1] if len(source.shape) == 2 else None
    if len(fields["domain"]) != (features or 1):
        raise _InvalidError(
            "domain", f"{features or 1} pair(s), one per feature", str(len(fields["domain"]))
        )
    if fields["uncertainty"] is not None:
        _check_uncertainty(fields["uncertainty"], features or 1)
    _check_readings(fields.get("readings"), features, fields["training"].dataset.rows)
    constants = {**fields["constants"], **fields["parameters"]}
    for key in ("parameters", "constants"):
        for name, value in fields[key].items():
            if not is_representable(value, dtype):
                raise _InvalidError(f"{key}.{name}", f"a value of {dtype}", repr(value))
            if name in (source.name, target.name):
                raise _InvalidError(f"{key}.{name}", "a name that no input or output has", name)
    if len(constants) != len(fields["constants"]) + len(fields["parameters"]):
        both = sorted(set(fields["constants"]) & set(fields["parameters"]))[0]
        raise _InvalidError(f"constants.{both}", "a name that no parameter has", both)
    try:
        program = parse(
            fields["program"],
            input=source.name,
            features=features,
            output=target.name,
            constants=constants,
            dtype=dtype,
        )
    except ProgramError as error:
        line = shortened(fields["program"][error.line])
        raise _InvalidError(f"program[{error.line}]", str(error), repr(line)) from None
    return ModelCard(**fields, compiled=program)


def _check_uncertainty(found: Uncertainty, features: int) -> None:
    terms = len(found.powers)
    by_feature = {"center": found.center, "half_width": found.half_width}
    by_feature |= {f"powers[{index}]": row for index, row in enumerate(found.powers)}
    by_term = {"curve": found.curve, "factor": found.factor}
    by_term |= {f"factor[{index}]": row for index, row in enumerate(found.factor)}
    if len({*found.powers}) != terms:
        raise _InvalidError("uncertainty.powers", "each term once", "one twice")
    total = sum(map(sum, found.powers))
    if total > MAX_EXPONENT_SUM:
        raise _InvalidError(
            "uncertainty.powers",
            f"exponents that add up to at most {MAX_EXPONENT_SUM:,}",
            f"a sum of {total:,}",
        )
    for items, expected, each in ((by_feature, features, "feature"), (by_term, terms, "term")):
        for key, item in items.items():
            if len(item) != expected:
                raise _InvalidError(
                    f"uncertainty.{key}", f"{expected} item(s), one per {each}", str(len(item))
                )


def _check_readings(found: ReadingsSample | None, features: int | None, rows: int) -> None:
    if found is None:
        return
    if len(found.x) != len(found.y):
        raise _InvalidError(
            "readings.x", f"{len(found.y)} item(s), as many as in y", str(len(found.x))
        )
    if len(found.y) > rows:
        raise _InvalidError(
            "readings.y", f"at most {rows} item(s), as training.dataset.rows", str(len(found.y))
        )
    for index, item in enumerate(found.x):
        width = len(item) if isinstance(item, tuple) else None
        if width != features:
            expected = "a number" if features is None else f"a list of {features}, one per feature"
            shown = "a number" if width is None else f"a list of {width}"
            raise _InvalidError(f"readings.x[{index}]", expected, shown)


# Readers: each takes a JSON value and its key, returns the value to keep or raises _InvalidError.


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _show(value: Any) -> str:
    try:
        return shortened(json.dumps(value))
    except RecursionError:
        return "something nested deeply"


def _text(value: Any, key: str) -> str:
    # Python's own test is stricter, and has no pattern that every command would have to compile.
    if isinstance(value, str) and value and value.isprintable():
        return value
    return _printable(value, key)


def _matching(pattern: str, what: str, most: int = MAX_CARD_BYTES) -> Reader[str]:
    def read(value: Any, key: str) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise _InvalidError(key, what, _show(value))
        if len(value) > most:
            raise _InvalidError(key, f"at most {most} characters", f"{len(value):,}")
        return value

    return read


def _boolean(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _InvalidError(key, "true or false", _show(value))
    return value


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _InvalidError(key, "a number", _show(value))
    if abs(value) > sys.float_info.max:
        raise _InvalidError(key, "a finite number", "one beyond the largest double")
    return float(value)


def _at_least_zero(value: Any, key: str) -> float:
    number = _number(value, key)
    if number < 0:
        raise _InvalidError(key, "a number of at least 0", _show(value))
    return number


def _positive(value: Any, key: str) -> float:
    number = _number(value, key)
    if number <= 0:
        raise _InvalidError(key, "a number above 0", _show(value))
    return number


def _up_to(most: int) -> Reader[int]:
    def read(value: Any, key: str) -> int:
        _at_least_zero(value, key)
        whole = int(value)
        if whole != value:
            raise _InvalidError(key, "a whole number", _show(value))
        if whole > most:
            raise _InvalidError(key, f"a whole number up to {most:,}", _show(value))
        return whole

    return read


_count = _up_to(MAX_COUNT)


def _from_one(value: Any, key: str) -> int:
    count = _count(value, key)
    if count < 1:
        raise _InvalidError(key, "a whole number of at least 1", _show(value))
    return count


def _numbers(most: int) -> Reader[tuple[float, ...]]:
    """Read a list of numbers, without a call for each: a command reads dozens on every start."""

    def read(value: Any, key: str) -> tuple[float, ...]:
        if isinstance(value, list) and 1 <= len(value) <= most and {*map(type, value)} <= _PLAIN:
            largest = sys.float_info.max
            if -largest <= min(value) and max(value) <= largest:
                return tuple(map(float, value))
        return _list(value, key, _number, 1, most)  # says what is wrong

    return read


def _dtype(value: Any, key: str) -> DType:
    if value == "float32":
        return "float32"
    if value == "float64":
        return "float64"
    raise _InvalidError(key, '"float32" or "float64"', _show(value))


def _list(value: Any, key: str, reader: Reader[T], least: int, most: int) -> tuple[T, ...]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        count = str(least) if least == most else f"{least} to {most:,}"
        raise _InvalidError(key, f"a list of {count}", _show(value))
    return tuple(reader(item, f"{key}[{index}]") for index, item in enumerate(value))


def _list_of(reader: Reader[T], least: int, most: int) -> Reader[tuple[T, ...]]:
    return lambda value, key: _list(value, key, reader, least, most)


def _inputs(value: Any, key: str) -> tuple[Any, ...]:
    """Read a list of numbers, or of lists of numbers."""
    if isinstance(value, list) and isinstance(next(iter(value), None), list):
        return _list(value, key, _numbers(MAX_FEATURES), 1, MAX_READINGS)
    return _numbers(MAX_READINGS)(value, key)


def _object(
    value: Any, key: str, readers: Mapping[str, Reader[Any]], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read an object that has exactly these keys, the optional ones or not."""
    if not isinstance(value, dict):
        raise _InvalidError(key or "(the file)", "an object", _show(value))
    prefix = f"{key}." if key else ""
    for name in value:
        if name not in readers:
            raise _InvalidError(
                f"{prefix}{name}", f"only {', '.join(sorted(readers))}", "an extra key"
            )
    for name in readers:
        if name not in value and name not in optional:
            raise _InvalidError(f"{prefix}{name}", "a value", "no such key")
    return {
        name: reader(value[name], f"{prefix}{name}")
        for name, reader in readers.items()
        if name in value
    }


def _record(kind: Callable[..., T], readers: Mapping[str, Reader[Any]]) -> Reader[T]:
    return lambda value, key: kind(**_object(value, key, readers))


def _optional(reader: Reader[T]) -> Reader[T | None]:
    return lambda value, key: None if value is None else reader(value, key)


def _mapping(
    reader: Reader[T], pattern: str, what: str, known: tuple[str, ...] | None = None
) -> Reader[Mapping[str, T]]:
    """Read an object with free keys of a pattern, or with some of the known keys."""

    def read(value: Any, key: str) -> Mapping[str, T]:
        if not isinstance(value, dict):
            raise _InvalidError(key, "an object", _show(value))
        for name in value:
            if re.fullmatch(pattern, name) is None or (known is not None and name not in known):
                raise _InvalidError(f"{key}.{name}", what, _show(name))
            if len(name) > MAX_NAME:
                raise _InvalidError(
                    f"{key}.{name}", f"a name of at most {MAX_NAME} characters", f"{len(name):,}"
                )
        return FrozenMapping({name: reader(item, f"{key}.{name}") for name, item in value.items()})

    return read


def _shape(value: Any, key: str) -> tuple[str | int, ...]:
    if isinstance(value, list) and value[:1] == ["..."] and len(value) <= 2:
        if len(value) == 1:
            return ("...",)
        features = _count(value[1], f"{key}[1]")
        if 1 <= features <= MAX_FEATURES:
            return ("...", features)
    expected = f'["..."] or ["...", k] with k from 1 to {MAX_FEATURES}'
    raise _InvalidError(key, expected, _show(value))


def _range(value: Any, key: str) -> tuple[float, float]:
    low, high = _list(value, key, _number, 2, 2)
    if low > high:
        raise _InvalidError(key, "the smaller value first", _show(value))
    return low, high


def _setting(value: Any, key: str) -> str | float | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, key)
    number = _number(value, key)
    # It is only shown, so an int stays one; but few readers of JSON know one beyond 64 bits.
    return value if isinstance(value, int) and abs(value) <= MAX_COUNT else number


_printable = _matching(_PRINTABLE_PATTERN, "text without control characters")
_variable = _matching(_VARIABLE_PATTERN, "a lower-case name", MAX_NAME)
_sha256 = _matching(_SHA256_PATTERN, "64 hex digits")
_port = _record(Port, {"name": _variable, "dtype": _dtype, "shape": _shape, "unit": _text})

_DOCUMENT: Mapping[str, Reader[Any]] = {
    "format_version": _count,
    "name": _matching(NAME_PATTERN, "a name such as model or model.variant", MAX_NAME),
    "default_variant": _boolean,
    "title": _text,
    "description": _text,
    "formula": _text,
    "dtype": _dtype,
    "inputs": _list_of(_port, 1, 1),
    "outputs": _list_of(_port, 1, 1),
    "domain": _list_of(_range, 1, MAX_FEATURES),
    "parameters": _mapping(_number, _VARIABLE_PATTERN, "a lower-case name"),
    "constants": _mapping(_number, _VARIABLE_PATTERN, "a lower-case name"),
    "program": _list_of(_text, 1, MAX_STEPS),
    "training": _record(
        Training,
        {
            "recipe": _text,
            "settings": _mapping(_setting, r"[a-z][a-z0-9_]*", "a lower-case name"),
            "dataset": _record(DatasetRecord, {"name": _text, "rows": _count, "sha256": _sha256}),
            "loss": _at_least_zero,
            "best_loss": _at_least_zero,
            "versions": _mapping(_text, r"[A-Za-z0-9_.-]+", "a package name"),
        },
    ),
    "files": _mapping(
        _record(FileRecord, {"size": _up_to(MAX_FILE_BYTES), "sha256": _sha256}),
        r"[a-z]+\.[a-z0-9]+",
        f"one of {', '.join(SIBLING_FILES)}, a file in this folder",
        SIBLING_FILES,
    ),
    "uncertainty": _optional(
        _record(
            Uncertainty,
            {
                "residual_sd": _at_least_zero,
                "degrees_of_freedom": _from_one,
                "powers": _list_of(_list_of(_up_to(MAX_EXPONENT), 1, MAX_FEATURES), 1, MAX_TERMS),
                "center": _numbers(MAX_FEATURES),
                "half_width": _list_of(_positive, 1, MAX_FEATURES),
                "curve": _numbers(MAX_TERMS),
                "factor": _list_of(_numbers(MAX_TERMS), 1, MAX_TERMS),
                "typical_sigma": _positive,
            },
        )
    ),
    "evaluation_error": _optional(
        _record(EvaluationError, {"absolute": _at_least_zero, "ulp": _at_least_zero})
    ),
    "digest": _sha256,
    "readings": _record(ReadingsSample, {"x": _inputs, "y": _numbers(MAX_READINGS)}),
}
