import hashlib
import json
import os
import re
import shutil
import socket
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

import infer
from infer._artifact.store import call_name, find, list_models
from infer._errors import ArtifactError, ModelNotFoundError
from infer._files import regular_file
from infer._files.regular_file import read_regular_file

RUNTIME = {"model.onnx": "onnxruntime", "model.pt": "torchscript", "model.pt2": "torchexport"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a folder that $SAMEBITS_ARTIFACTS names."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("SAMEBITS_ARTIFACTS", str(folder))
    return folder


def test_shipped_models_are_listed(shipped):
    names = [path.parent.name for path in shipped.glob("*/model.json")]
    assert {"f2c", "sin_cubic", "dynamic_net.order5"} <= set(names)
    assert list_models() == sorted(names)


def test_every_name_of_the_list_gives_that_model():
    for name in list_models():
        assert find(name).card.name == name


def test_a_bare_model_means_its_default_variant():
    assert find("dynamic_net").card.name == "dynamic_net.order5"


def test_by_path(shipped, tmp_path, monkeypatch):
    for path in (str(shipped / "f2c"), shipped / "f2c", f"{shipped / 'f2c'}/"):
        assert find(path).card.name == "f2c"
    monkeypatch.chdir(shipped)
    for path in ("./f2c", Path("f2c"), "../artifacts/f2c"):
        assert find(path).card.name == "f2c"
    # A path need not be named like the model in it: a card can be looked at anywhere.
    shutil.copytree(shipped / "f2c", tmp_path / "Unpacked (1)")
    assert find(tmp_path / "Unpacked (1)").card.name == "f2c"
    monkeypatch.chdir(shipped / "f2c")
    assert find(".").card.name == "f2c"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("f2x", "Did you mean 'f2c'?"),
        ("F2C", "Did you mean 'f2c'?"),
        ("sin_cubik", "Did you mean 'sin_cubic'?"),
        ("dynamicnet", "Did you mean 'dynamic_net'"),
        ("dynamic_net.order6", "'dynamic_net.order5'"),
        ("quite different", "Known: dynamic_net.order3"),
        ("", "Known: "),
        ("a\0b", "Known: "),
        ("x" * 5000, "Known: "),
    ],
)
def test_an_unknown_name_suggests_the_nearest(wrong, hint):
    with pytest.raises(ModelNotFoundError, match=re.escape(hint)) as caught:
        find(wrong)
    assert isinstance(caught.value, LookupError)


def test_a_folder_of_an_unknown_name_is_pointed_at(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match=re.escape("type './mine'")):
        find("mine")


@pytest.mark.parametrize("path", ["./nowhere", "/", "./a\0b", "./" + "x" * 5000])
def test_a_path_without_an_artifact(path):
    with pytest.raises(ModelNotFoundError, match=r"no folder|no model\.json"):
        find(path)


def test_a_name_cannot_leave_the_folder_of_models(own, write, line):
    write(line(), root=own.parent)
    for name in ("../own_line", "..", "f2c/../own_line"):
        with pytest.raises(ModelNotFoundError):
            find(name)


def test_own_models(own, write, line):
    before = find("f2c").card
    write(line(), root=own)
    write(line(name="curve.first", default_variant=False), root=own)
    write(line(name="curve.second"), root=own)
    assert {"own_line", "curve.first", "curve.second", "f2c"} <= set(list_models())
    assert find("own_line").card.formula == "y = a·x + b"
    assert find("curve").card.name == "curve.second"
    # A shipped model wins over one's own of that name.
    write(line(name="f2c"), root=own)
    assert find("f2c").card == before
    assert list_models().count("f2c") == 1


def test_a_model_without_a_default_variant_needs_its_full_name(own, write, line):
    write(line(name="curve.first", default_variant=False), root=own)
    with pytest.raises(ModelNotFoundError, match=r"Did you mean 'curve\.first'\?"):
        find("curve")


def test_what_is_no_artifact_is_not_listed(own, write, line):
    (own / "empty").mkdir()
    (own / "a_file").write_text("")
    (own / "folder_as_card" / "model.json").mkdir(parents=True)
    write(line(), root=own).rename(own / "Capital")
    assert not {path.name for path in own.iterdir()} & set(list_models())
    for name in ("empty", "a_file", "folder_as_card", "Capital"):
        with pytest.raises(ModelNotFoundError):
            find(name)


def test_the_folder_of_own_models_must_exist(own):
    own.rmdir()
    with pytest.raises(ArtifactError, match=r"\$SAMEBITS_ARTIFACTS is '.*own'; expected a folder"):
        list_models()
    with pytest.raises(ArtifactError, match="SAMEBITS_ARTIFACTS"):
        find("own_line")
    own.write_text("a file")
    with pytest.raises(ArtifactError, match="SAMEBITS_ARTIFACTS"):
        find("own_line")


def test_an_empty_variable_means_none(monkeypatch):
    before = list_models()
    monkeypatch.setenv("SAMEBITS_ARTIFACTS", "")
    assert list_models() == before


def test_a_model_found_by_name_must_carry_it(own, write, line):
    write(line(), root=own).rename(own / "curve")
    with pytest.raises(
        ArtifactError, match=r"curve.*key 'name': expected 'curve'.*found 'own_line'"
    ):
        find("curve")
    write(line(), root=own).rename(own / "net.order1")
    with pytest.raises(ArtifactError, match=r"expected 'net\.order1'"):
        find("net")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def extend(path):
    path.write_bytes(path.read_bytes() + b"\n")


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_a_dangling_link(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


DAMAGE = [
    truncate,
    empty,
    extend,
    flip_a_bit,
    remove,
    replace_by_a_folder,
    replace_by_a_dangling_link,
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", RUNTIME)
def test_a_damaged_file_is_not_run(copied, file, damage):
    folder = copied()
    damage(folder / file)
    artifact = find(folder)
    with pytest.raises(ArtifactError) as caught:
        artifact.read(file)
    assert str(caught.value).startswith(f"{folder / file}: expected ")
    if RUNTIME[file] in infer.list_runtimes():
        with pytest.raises(ArtifactError):
            infer.load(folder, runtime=RUNTIME[file])
    # The card alone is enough for the program.
    assert infer.load(folder, runtime="python")(50.0) == infer.load("f2c")(50.0)


@pytest.mark.parametrize("damage", [truncate, empty, extend, flip_a_bit])
def test_a_damaged_card_is_not_read(copied, damage):
    folder = copied()
    damage(folder / "model.json")
    with pytest.raises(ArtifactError, match=re.escape(f"{folder / 'model.json'}: key ")):
        infer.load(folder)


@pytest.mark.parametrize("damage", [remove, replace_by_a_folder, replace_by_a_dangling_link])
def test_a_folder_without_a_card_is_no_artifact(copied, damage):
    folder = copied()
    damage(folder / "model.json")
    with pytest.raises(ModelNotFoundError, match=r"no model\.json in"):
        infer.load(folder)


def test_messages_say_what_was_expected_and_found(copied):
    folder = copied()
    path = folder / "model.pt"
    data = path.read_bytes()
    size = f"{len(data):,}"
    for content, message in [
        (data[:-1], f"expected {size} bytes, as key 'files.model.pt.size' of model.json says"),
        (data[:-1], f"found {len(data) - 1:,}"),
        (data + b"x" * 10, "found more"),
        (data[:-1] + b"x", f"expected SHA-256 {hashlib.sha256(data).hexdigest()[:16]}…"),
        (data[:-1] + b"x", f"found {hashlib.sha256(data[:-1] + b'x').hexdigest()[:16]}…"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=re.escape(message)):
            find(folder).read("model.pt")


def test_a_size_that_the_file_does_not_have(write, line):
    folder = write(line(files={"model.pt": {"size": 1 << 24, "sha256": "0" * 64}}))
    (folder / "model.pt").write_bytes(b"small")
    with pytest.raises(ArtifactError, match=r"expected 16,777,216 bytes, .*, found 5"):
        find(folder).read("model.pt")


@pytest.mark.parametrize("size", [(1 << 24) + 1, 10**18, 10**300])
def test_a_size_that_no_file_of_a_model_has_is_refused(write, line, size):
    folder = write(line(files={"model.pt": {"size": size, "sha256": "0" * 64}}))
    with pytest.raises(ArtifactError, match="size': expected a whole number up to 16,777,216"):
        find(folder)


def test_a_huge_card_is_refused_without_reading_it(copied):
    folder = copied()
    with (folder / "model.json").open("r+b") as file:
        file.truncate(1 << 26)
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match=r"at most 1,048,576 bytes, found more"):
            find(folder)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_shipped_files_are_what_their_cards_say(shipped):
    for name in list_models():
        artifact = find(name)
        document = json.loads((shipped / name / "model.json").read_bytes())
        assert set(artifact.card.files) == {"model.onnx", "model.pt", "model.pt2"}
        for file, record in document["files"].items():
            data = artifact.read(file)
            assert len(data) == record["size"]
            assert hashlib.sha256(data).hexdigest() == record["sha256"]


def test_a_call_names_a_model_so_that_it_is_found(own, line, write, tmp_path, monkeypatch):
    write(line(), own)
    elsewhere = write(line(), tmp_path / "elsewhere")
    renamed = elsewhere.with_name("My probe")
    assert call_name(find("f2c")) == "f2c"
    assert call_name(find("own_line")) == "own_line"
    assert call_name(find(elsewhere)) == "./own_line"
    elsewhere.rename(renamed)
    assert call_name(find(f"{renamed}/")) == "./My probe"
    monkeypatch.chdir(renamed)
    assert call_name(find(".")) == "./My probe"
    monkeypatch.chdir(renamed.parent)
    assert find("./My probe").card.name == "own_line"
    other = (own / "own_line").rename(own / "other")
    assert call_name(find(other)) == "./other"  # by name only a folder of the card's is found
    other.rename(own / "own_line")
    monkeypatch.delenv("SAMEBITS_ARTIFACTS")
    assert call_name(find(own / "own_line")) == "./own_line"


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # of a limited length


def link_to_a_device(path):
    path.symlink_to("/dev/zero")


NO_FILES = {make_pipe: "a pipe", make_socket: "a socket", link_to_a_device: "a device"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("file", RUNTIME)
def test_what_is_no_file_is_refused_without_waiting(copied, monkeypatch, file, make):
    folder = copied()
    monkeypatch.chdir(folder)
    (folder / file).unlink()
    make(folder / file)
    message = re.escape(f"{folder / file}: expected a regular file, found {NO_FILES[make]}")
    with pytest.raises(ArtifactError, match=message):
        find(folder).read(file)
    if RUNTIME[file] in infer.list_runtimes():
        with pytest.raises(ArtifactError, match=message):
            infer.load(folder, runtime=RUNTIME[file])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
@pytest.mark.parametrize("make", NO_FILES)
def test_a_card_that_is_no_file_is_not_waited_for(copied, monkeypatch, make):
    folder = copied()
    monkeypatch.chdir(folder)
    (folder / "model.json").unlink()
    make(folder / "model.json")
    with pytest.raises(ModelNotFoundError, match=r"no model\.json in"):
        infer.load(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_the_command_check_does_not_wait_for_a_pipe(copied, command):
    folder = copied()
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    result = command("infer", "check", folder, "--count", "1")
    assert result.returncode == 1
    assert b"expected a regular file, found a pipe" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_a_file_that_becomes_a_pipe_while_it_is_opened(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"content")
    genuine = os.open

    def replace_and_open(name, flags):
        path.unlink()
        os.mkfifo(path)
        return genuine(name, flags)

    monkeypatch.setattr(regular_file.os, "open", replace_and_open)
    with pytest.raises(ArtifactError, match="expected a regular file, found a pipe"):
        read_regular_file(str(path), 100)


def test_a_link_to_a_regular_file_is_followed(copied, tmp_path):
    folder = copied()
    for name in ("model.json", "model.onnx"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    assert find(folder).read("model.onnx") == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("claimed", [707, 1 << 24])
def test_a_sparse_file_is_not_allocated(write, line, claimed):
    folder = write(line(files={"model.pt": {"size": claimed, "sha256": "0" * 64}}))
    with (folder / "model.pt").open("wb") as file:
        file.truncate(20 << 30)
    artifact = find(folder)
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match=f"expected {claimed:,} bytes, .*, found more"):
            artifact.read("model.pt")
        assert tracemalloc.get_traced_memory()[1] < 3 * (claimed + (1 << 20))
    finally:
        tracemalloc.stop()


def test_a_growing_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "model.pt"
    stop = threading.Event()

    def grow():
        with path.open("wb", buffering=0) as file:
            while not stop.is_set() and file.tell() < 1 << 28:
                file.write(bytes(1 << 16))

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        while not path.exists() or path.stat().st_size <= 1 << 20:
            time.sleep(0.001)
        assert len(read_regular_file(str(path), (1 << 20) + 1)) == (1 << 20) + 1
    finally:
        stop.set()
        writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_a_proof_that_is_no_file_is_not_waited_for(tmp_path):
    from infer._checks.exhaustive import read_proof

    os.mkfifo(tmp_path / "f2c.json")
    with pytest.raises(ArtifactError, match="expected a regular file, found a pipe"):
        read_proof(str(tmp_path / "f2c.json"))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match="expected a proof"):
        read_proof(str(tmp_path / "deep.json"))
