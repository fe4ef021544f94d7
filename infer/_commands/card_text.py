"""A card as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from infer._artifact.card import ModelCard, Port
    from infer._artifact.store import Artifact


def _proof_facts(artifact: Artifact) -> list[tuple[str, str]]:
    """Return what is proven about an artifact, for its card."""
    from infer._checks.exhaustive import find_proof

    proof = find_proof(artifact)
    if proof is None:
        return []
    ways = ", ".join(f"{name} {way.version}" for name, way in proof.ways.items())
    return [
        (
            "proof",
            f"all {proof.inputs:,} inputs, {proof.differing_bits:,} differing bits: {ways} "
            f"({proof.processor})",
        )
    ]


def _uncertainty_facts(card: ModelCard) -> list[tuple[str, str]]:
    """Return how far off readings and answers are, for a card that says so."""
    unit = _unit(card.output)
    facts = []
    if (found := card.uncertainty) is not None:
        count = found.degrees_of_freedom
        spread = f"{found.residual_sd:.6g}{unit}"
        if card.training.settings.get("weighted"):  # such a standard deviation has no unit
            spread = f"{found.residual_sd:.6g} times the stated uncertainties"
        facts.append(("residual sd", f"{spread}, {count:,} degree{'s' * (count != 1)} of freedom"))
    if (error := card.evaluation_error) is not None:
        facts.append(
            (
                "evaluation",
                f"within {error.absolute:.3g}{unit} ({error.ulp:.3g} ulp) of the exact curve",
            )
        )
    return facts


def _held(card: ModelCard) -> str:
    """Return how many rows of its data a card holds, if any."""
    return "" if card.readings is None else f", {len(card.readings.y):,} of them in the card"


def units(card: ModelCard) -> str:
    """Return the units of input and output."""
    return f"{card.input.unit} → {card.output.unit}"


def domain(card: ModelCard) -> str:
    """Return the range of each feature that the fit saw."""
    return " × ".join(f"[{low:.6g}, {high:.6g}]" for low, high in card.domain)


def _unit(quantity: Port) -> str:
    return "" if quantity.unit == "1" else f" {quantity.unit}"


def _labelled(quantity: Port) -> str:
    return quantity.name if quantity.unit == "1" else f"{quantity.name} ({quantity.unit})"


def _by_number(name: str) -> tuple[str, int]:
    """Return what puts c10 behind c9."""
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def card_text(artifact: Artifact) -> str:
    """Return what ``infer show`` prints."""
    card, training = artifact.card, artifact.card.training
    settings = ", ".join(f"{key} {value}" for key, value in training.settings.items())
    facts = [
        ("formula", card.formula),
        ("input", f"{_labelled(card.input)}, {card.dtype}"),
        ("output", f"{_labelled(card.output)}, {card.dtype}"),
        ("domain", f"{domain(card)}{_unit(card.input)}"),
        *((name, repr(card.parameters[name])) for name in sorted(card.parameters, key=_by_number)),
        *((name, f"{value!r} (fixed)") for name, value in card.constants.items()),
        *(("program" if not i else "", line) for i, line in enumerate(card.program)),
        ("data", f"{training.dataset.name}, {training.dataset.rows:,} rows{_held(card)}"),
        ("recipe", f"{training.recipe} ({settings})"),
        ("loss", f"{training.loss:.9g}, best possible {training.best_loss:.9g}"),
        *_uncertainty_facts(card),
        ("files", ", ".join(f"{name} {record.size:,} B" for name, record in card.files.items())),
        *_proof_facts(artifact),
        ("folder", artifact.folder),
    ]
    width = max(len(key) for key, _ in facts)
    body = "\n".join(f"{key.ljust(width)}  {value}" for key, value in facts)
    return f"{card.name}: {card.title}\n\n{click.wrap_text(card.description, 88)}\n\n{body}"
