"""What ``export.save`` writes, what it proves before, and what it refuses to replace."""

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import export
import infer
import train
from export import ExportError, _artifact
from export._cards import of_fit
from infer._artifact.format import CARD_FILE, SIBLING_FILES
from infer._writers import onnx, torchexport, torchscript
from train._learn.models import MODELS

NAMES = [f"{m}.{v.name}".rstrip(".") for m, row in MODELS.items() for v in row.variants]
FILES = sorted((CARD_FILE, *SIBLING_FILES))


def tree(folder):
    """Return the content of every file below a folder, by path; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


# What is written.


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_the_committed_ones(exported, committed, name):
    assert tree(exported / name) == tree(committed / name)


def test_saving_again_elsewhere_gives_the_same_bytes(fitted, exported, tmp_path):
    folders = export.save(fitted("dynamic_net"), tmp_path / "deep" / "er")
    for folder in folders:
        assert tree(folder) == tree(exported / folder.name)


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_is_three_files_that_its_card_vouches_for(exported, name):
    folder = exported / name
    assert sorted(path.name for path in folder.iterdir()) == FILES
    card = json.loads((folder / CARD_FILE).read_text("utf-8"))
    assert sorted(card["files"]) == sorted(SIBLING_FILES)
    for file, record in card["files"].items():
        data = (folder / file).read_bytes()
        assert record == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("name", NAMES)
def test_the_card_holds_the_fit(fitted, exported, name):
    model, _, variant = name.partition(".")
    fit = fitted(model)
    (row,) = (row for row in fit.model.variants if row.name == variant)
    card = infer.load(exported / name).card
    assert (card.name, card.title, card.formula) == (name, row.title, row.formula)
    assert card.description == fit.model.description
    assert (card.input.name, card.input.unit) == (fit.model.input.name, fit.model.input.unit)
    assert (card.output.name, card.output.unit) == (fit.model.output.name, fit.model.output.unit)
    assert card.domain == fit.dataset.domain
    # Only what this variant uses: e has no place at order 3.
    used = fit.parameters if fit.model.expand else {k for k, basis in row.terms.items() if basis}
    assert card.parameters == {key: fit.parameters[key] for key in used}
    assert card.training.recipe == fit.recipe.name
    assert card.training.dataset.sha256 == fit.dataset.sha256
    assert (card.training.loss, card.training.best_loss) == (fit.loss, fit.best_loss)
    assert card.default_variant == (row is fit.model.variants[-1])


def test_the_variants_come_from_one_fit(exported):
    cards = [infer.load(exported / f"dynamic_net.order{order}").card for order in (3, 4, 5)]
    assert len({str(card.training) for card in cards}) == 1
    for card in cards:
        assert card.parameters.items() <= cards[-1].parameters.items()
    assert [card.default_variant for card in cards] == [False, False, True]


def test_the_card_holds_no_time_host_or_path(exported, tmp_path):
    text = (exported / "f2c" / CARD_FILE).read_text("utf-8")
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d", text)
    assert str(exported) not in text
    assert "/" not in text
    assert json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text


def test_some_variants_only(fitted, tmp_path):
    folders = export.save(fitted("dynamic_net"), tmp_path, variants=("order4",))
    assert folders == [tmp_path / "dynamic_net.order4"]
    assert list(tmp_path.iterdir()) == folders


def test_a_variant_that_does_not_exist_is_refused(fitted, tmp_path):
    with pytest.raises(ExportError, match=r"no variant of dynamic_net .* Did you mean 'order4'\?"):
        export.save(fitted("dynamic_net"), tmp_path, variants=("ordr4", "order5"))
    assert not tree(tmp_path)


def test_a_path_may_be_text(fitted, tmp_path):
    assert export.save(fitted("f2c"), str(tmp_path)) == [tmp_path / "f2c"]


# What is refused.


def test_an_older_artifact_is_replaced(fitted, exported, tmp_path):
    # Incomplete and damaged, but nothing that is not ours.
    (tmp_path / "f2c").mkdir()
    (tmp_path / "f2c" / "model.pt").write_bytes(b"damaged")
    (folder,) = export.save(fitted("f2c"), tmp_path)
    assert tree(folder) == tree(exported / "f2c")
    assert [path.name for path in tmp_path.iterdir()] == ["f2c"]


def test_a_folder_that_holds_something_else_is_not_replaced(fitted, tmp_path):
    (tmp_path / "f2c").mkdir()
    (tmp_path / "f2c" / "thesis.tex").write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(ExportError, match=r"f2c holds 'thesis\.tex', which is not part of"):
        export.save(fitted("f2c"), tmp_path)
    assert tree(tmp_path) == before


def test_a_file_or_link_in_the_way_is_not_replaced(fitted, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    target = out / "f2c"
    target.write_text("a file")
    with pytest.raises(ExportError, match="f2c is in the way: expected a folder, or nothing"):
        export.save(fitted("f2c"), out)
    assert target.read_text() == "a file"
    for destination in (elsewhere, tmp_path / "nowhere"):
        target.unlink()
        target.symlink_to(destination)
        with pytest.raises(ExportError, match="f2c is in the way"):
            export.save(fitted("f2c"), out)
        assert target.is_symlink()
    assert not tree(elsewhere)


def test_a_model_that_the_format_cannot_hold_is_refused(own_fit, tmp_path):
    with pytest.raises(ExportError, match=r"artifact format cannot hold .*constants\.K"):
        export.save(own_fit(Shouting, {"a": 1.0}), tmp_path / "out")
    with pytest.raises(ExportError, match=r"artifact format cannot hold .*input"):
        export.save(own_fit(Aimless, {"a": 1.0}), tmp_path / "out")
    with pytest.raises(ExportError, match="uses pow; permitted: "):
        export.save(own_fit(Power, {"a": 1.0}), tmp_path / "out")
    assert not tree(tmp_path)


class One(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("K", torch.tensor(0.5))


class Shouting(One):
    def forward(self, x):
        return self.K * x + self.a


class Aimless(One):
    def forward(self, x):
        return x + self.a * self.a


class Power(One):
    def forward(self, x):
        return x**2 * self.a


# The proof.


def another_card(card):
    """Return a card whose program has another last bit in its last constant."""
    *others, last = card.compiled.constants.items()
    nearby = float(np.nextafter(np.float32(last[1]), np.float32(np.inf)))
    constants = {**dict(others), last[0]: nearby}
    return card._replace(compiled=card.compiled._replace(constants=constants))


@pytest.mark.parametrize(
    ("writer", "runtime"),
    [(onnx, "onnxruntime"), (torchexport, "torchexport"), (torchscript, "torchscript")],
)
def test_what_does_not_agree_is_not_written(
    fitted, exported, tmp_path, monkeypatch, writer, runtime
):
    write = writer.render
    monkeypatch.setattr(writer, "render", lambda card: write(another_card(card)))
    said = rf"f2c was not written: {runtime}: [\d,]+ of [\d,]+ answers differ \(x = 0x"
    with pytest.raises(ExportError, match=said):
        export.save(fitted("f2c"), tmp_path)
    assert not tree(tmp_path)
    # And where there is an older one, it stays.
    (tmp_path / "f2c").mkdir()
    for file in FILES:
        (tmp_path / "f2c" / file).write_bytes((exported / "f2c" / file).read_bytes())
    before = tree(tmp_path)
    with pytest.raises(ExportError, match=said):
        export.save(fitted("f2c"), tmp_path)
    assert tree(tmp_path) == before


def test_a_program_that_is_not_the_module_is_not_written(fitted, tmp_path, monkeypatch):
    right = of_fit.trace

    def trace(*arguments):
        traced = right(*arguments)
        reordered = [line.replace("t_c = s2 + b", "t_c = s2 - b") for line in traced.lines]
        return type(traced)(tuple(reordered), traced.constants)

    monkeypatch.setattr(of_fit, "trace", trace)
    with pytest.raises(ExportError, match=r"eager torch: [\d,]+ of [\d,]+ answers differ"):
        export.save(fitted("f2c"), tmp_path)
    assert not tree(tmp_path)


def test_a_file_that_is_not_what_the_card_says_is_not_left(fitted, tmp_path, monkeypatch):
    # A disk that keeps other bytes than it was given.
    right = _artifact.write_files

    def write_files(folder, files):
        right(folder, {**files, "model.pt": files["model.pt"][:-1] + b"!"})

    monkeypatch.setattr(_artifact, "write_files", write_files)
    with pytest.raises(ExportError, match=r"f2c was not written: .*model\.pt.*SHA-256"):
        export.save(fitted("f2c"), tmp_path)
    assert not tree(tmp_path)


class Doubled(One):
    def forward(self, x):
        return self.a * x


def test_the_card_of_an_own_model_holds_its_readings(own_fit, tmp_path):
    fit = own_fit(Doubled, {"a": 2.0})
    data = train.Dataset("own", np.array([3.0, 1.0, 2.0]), np.array([6.5, 2.0, 4.0]))
    fit = dataclasses.replace(fit, dataset=data)
    export.save(fit, tmp_path / "with")
    card = infer.load(tmp_path / "with" / "mine").card
    assert card.readings == ((1.0, 2.0, 3.0), (2.0, 4.0, 6.5))
    export.save(fit, tmp_path / "without", readings=False)
    assert infer.load(tmp_path / "without" / "mine").card.readings is None


def test_the_page_has_the_readings_of_the_shipped_models_so_their_cards_have_none(exported):
    for name in infer.list_models():
        assert "readings" not in json.loads((exported / name / CARD_FILE).read_text("utf-8"))
