"""What ``infer check`` prints."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from infer._commands.errors import Failure, errors_for_people
from infer._commands.interrupts import CleanInterrupts
from infer._commands.table import table

if TYPE_CHECKING:
    from infer._checks.parity import Parity


def check_exhaustively(names: tuple[str, ...], folder: str | None) -> None:
    """Try all inputs of each model, one after the other."""
    from infer._artifact import store
    from infer._checks import exhaustive

    problems, rows = [], []
    for name in names:
        with errors_for_people():
            artifact = store.find(name)
            path = None if folder is None else os.path.join(folder, f"{artifact.card.name}.json")
            if path is not None:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            done = exhaustive.read_proof(path) if path is not None else None
            proof = done
            with click.progressbar(
                length=exhaustive.INPUTS,
                label=artifact.card.name,
                file=sys.stderr,
                hidden=not sys.stderr.isatty(),
                show_pos=True,
            ) as bar:
                for proof in exhaustive.prove(artifact, done):
                    bar.update(proof.inputs - bar.pos)
                    if path is not None:
                        with CleanInterrupts():
                            exhaustive.write_proof(proof, path)
        if proof is None:
            continue
        for way, result in proof.ways.items():
            rows.append((proof.model, way, f"{proof.inputs:,}", f"{result.bits:,}"))
            problems += [
                f"{proof.model}: {way} differs at x = {x}: python {expected}, {way} {got}"
                for x, expected, got in result.examples
            ]
    head = ("model", "runtime", "inputs", "differing bits")
    click.echo(table(head, rows, right=(2, 3)))
    if problems:
        raise Failure(*problems)


def check_table(results: list[tuple[str, str, list[Parity]]]) -> str:
    """Return the table of ``infer check``."""
    ways = list(dict.fromkeys(parity.way for *_, found in results for parity in found))
    rows = []
    for name, files, parities in results:
        by_way = {parity.way: parity for parity in parities}
        compared = max((parity.compared for parity in parities), default=0)
        cells = [_bits(by_way.get(way)) for way in ways]
        rows.append((name, files, f"{compared:,}", *cells))
    head = ("model", "files", "inputs", *ways)
    body = table(head, rows, right=range(2, len(head)))
    return f"Differing bits, compared with python on floats\n\n{body}"


def _bits(parity: Parity | None) -> str:
    if parity is None or not parity.compared:
        return "failed" if parity is not None and parity.failed else "-"
    return f"{parity.bits:,}"
