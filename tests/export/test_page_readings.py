"""The page's sample of readings is drawn from the data that the models were fitted to."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import infer
from export import _page_readings
from export._cli import main
from train._learn.datasets import DATASETS, Dataset, load_dataset


def test_the_committed_sample_is_what_the_data_give():
    assert _page_readings.PATH.read_bytes() == _page_readings.render(), (
        "the data have changed; type: python -m export --readings"
    )


def test_the_command_writes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_page_readings, "PATH", tmp_path / "readings.json")
    result = CliRunner().invoke(main, ["--readings"])
    assert (result.exit_code, result.output) == (0, f"wrote {_page_readings.PATH}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["readings.json"]
    assert _page_readings.PATH.read_bytes() == _page_readings.render()


def test_each_sample_is_of_the_data_with_its_digest():
    found = json.loads(_page_readings.render())
    assert len(found) == len(DATASETS)
    for name in DATASETS:
        data = load_dataset(name)
        sample = found[data.sha256]
        x, y = np.array(sample["x"]), np.array(sample["y"])
        assert len(x) == len(y) == min(data.rows, _page_readings.MOST)
        rows = np.column_stack([data.x, data.y])
        for row in np.column_stack([x, y]):
            assert np.isclose(rows, row, rtol=1e-4, atol=0).all(axis=1).any()
        assert np.isclose(x[[0, -1]], data.x[[0, -1]], rtol=1e-4).all()


@pytest.mark.parametrize("width", [1, 2])
def test_the_rows_of_features_are_lists(width):
    x = np.arange(4.0 * width).reshape(4, width)
    rows = _page_readings.sample(Dataset("own", x, np.arange(4.0)))
    assert rows == (x.tolist(), [0.0, 1.0, 2.0, 3.0])


def test_every_shipped_model_has_its_sample():
    known = json.loads(_page_readings.PATH.read_text("utf-8"))
    for name in infer.list_models():
        assert infer.load(name).card.training.dataset.sha256 in known
