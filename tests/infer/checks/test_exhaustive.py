"""The exhaustive check: what it counts, how it goes on, and slices of the committed proofs."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from infer._artifact.format import render
from infer._artifact.sha256 import sha256
from infer._artifact.store import find, list_models
from infer._checks import exhaustive
from infer._checks.exhaustive import (
    INPUTS,
    PIECE,
    Proof,
    find_proof,
    prove,
    read_proof,
    write_proof,
)
from infer._errors import ArtifactError, InputError
from infer._writers import onnx as writer

PROOFS = Path(__file__).resolve().parents[3] / "docs" / "proofs"
ELEMENTWISE = [name for name in list_models() if find(name).card.features is None]

# The beginnings of pieces: 0x00 zero and subnormals, 0x3F from 0.5 on, 0x7F up to infinity, 0xBF as
# 0x3F below zero. Where Horner's sums underflow, round and cancel, and overflow.
SLICES = (0x00, 0x3F, 0x7F, 0xBF)


@pytest.fixture
def small(monkeypatch):
    """Make pieces small, so that a whole run is short."""
    monkeypatch.setattr(exhaustive, "PIECE", 1 << 16)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_slice_of_each_proof_holds_here(name, monkeypatch):
    monkeypatch.setattr(exhaustive, "PIECE", 1 << 21)
    artifact = find(name)
    runs = exhaustive._runs(artifact)
    assert runs
    for piece in SLICES:
        found = exhaustive._compare(artifact, runs, piece * PIECE)
        assert found == dict.fromkeys(runs, (0, 0, []))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_elementwise_model_has_a_complete_proof_of_what_is_shipped(name):
    proof = read_proof(str(PROOFS / f"{name}.json"))
    assert proof is not None
    assert proof.complete
    assert proof.inputs == INPUTS == 4_294_967_296
    assert proof.differing_bits == 0
    assert proof.digest == find(name).card.digest, f"infer check --exhaustive {name} --proofs …"
    assert set(proof.ways) == {"onnxruntime", "torchscript", "torchexport"}
    assert find_proof(find(name)) == proof


def test_a_single_wrong_constant_is_counted_and_shown(copied, small, monkeypatch):
    # A writer with a fault: it writes another number than the card's, and expects it, too.
    folder, right = copied(), writer.render

    def wrong(card):
        constants = dict(card.compiled.constants)
        constants["b"] = float(np.nextafter(np.float32(constants["b"]), np.float32(0)))
        compiled = card.compiled._replace(constants=constants)
        return right(card._replace(compiled=compiled))

    data = wrong(find(folder).card)
    card = json.loads((folder / "model.json").read_bytes())
    (folder / "model.onnx").write_bytes(data)
    card["files"]["model.onnx"] = {"size": len(data), "sha256": sha256(data)}
    (folder / "model.json").write_bytes(render(card))
    monkeypatch.setattr(writer, "render", wrong)
    *_, proof = prove(find(folder), pieces=2)
    way = proof.ways["onnxruntime"]
    # Near zero, f2c is its constant b: every answer is one unit in the last place off.
    assert way.differing == 2 * (1 << 16)
    assert way.bits >= way.differing
    assert way.examples[0][0] == "0x00000000"
    assert len(way.examples) == 5
    assert all(expected != got for _, expected, got in way.examples)
    assert {way.differing for name, way in proof.ways.items() if name != "onnxruntime"} <= {0}


def test_it_goes_on_where_it_was_stopped(small, tmp_path):
    artifact = find("f2c")
    path = str(tmp_path / "f2c.json")
    for proof in prove(artifact, pieces=3):
        write_proof(proof, path)
    half = read_proof(path)
    assert half == proof
    assert not half.complete
    seen = [proof.inputs for proof in prove(artifact, half, pieces=2)]
    assert seen == [4 << 16, 5 << 16]
    assert [path.name for path in tmp_path.iterdir()] == ["f2c.json"]  # nothing half-written


@pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"numpy": "0.1"}, {"processor": "Z80"}])
def test_it_starts_anew_where_something_else_was_proven(small, change):
    artifact = find("f2c")
    *_, half = prove(artifact, pieces=3)
    other = dataclasses.replace(half, **change)
    (proof,) = prove(artifact, other, pieces=1)
    assert proof.inputs == 1 << 16


def test_whoever_stops_asking_does_not_wait(small):
    run = prove(find("f2c"))
    next(run)
    run.close()  # 65,535 more pieces would take half a minute


def test_too_many_inputs_are_refused():
    with pytest.raises(InputError, match="plane has 2 features: too many inputs"):
        next(prove(find("plane")))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ways": {}}', '{"ways": {"a": 1}}', "\x00"])
def test_a_file_that_is_no_proof_is_refused(tmp_path, text):
    path = tmp_path / "f2c.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"f2c\.json: expected a proof"):
        read_proof(str(path))


def test_no_file_is_no_proof(tmp_path):
    assert read_proof(str(tmp_path / "f2c.json")) is None


def test_a_proof_of_another_artifact_is_not_shown(monkeypatch, tmp_path):
    artifact = find("f2c")
    proof = find_proof(artifact)
    assert isinstance(proof, Proof)
    write_proof(dataclasses.replace(proof, digest="0" * 64), str(tmp_path / "f2c.json"))
    monkeypatch.setattr(exhaustive, "PROOF_FOLDERS", (str(tmp_path),))
    assert find_proof(artifact) is None


def test_the_card_lists_the_proof(command):
    shown = command("infer", "show", "f2c").stdout.decode()
    assert "proof" in shown
    assert "all 4,294,967,296 inputs, 0 differing bits: onnxruntime" in shown


def test_the_command_refuses_what_makes_no_sense(command):
    result = command("infer", "check", "--exhaustive", "plane")
    assert result.returncode == 2
    assert b"too many inputs" in result.stderr
    result = command("infer", "check", "f2c", "--proofs", "there")
    assert result.returncode == 2
    assert b"--proofs goes with --exhaustive" in result.stderr
