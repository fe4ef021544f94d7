"""The three floors: what may import what, and what an import may cost."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("export", "infer", "train")
# What each package may import of the three.
ALLOWED = {
    "infer": {"infer"},
    "train": {"infer", "train"},
    "export": {"export", "infer", "train"},
}
# What the ground floor may import before somebody asks for a runtime or hands it an array.
# (The two hash modules are other Python versions' standard library.)
GROUND = {*sys.stdlib_module_names, "_sha2", "_sha256", "click", "infer"}


def modules():
    """Return every module of the packages: its dotted name and its file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree_of(name):
    return ast.parse(MODULES[name].read_text("utf-8"))


def imports(nodes, *, at_import_time):
    """Yield the dotted names that statements import.

    At import time: without function bodies, and without ``if TYPE_CHECKING`` blocks.
    """
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where an arrow points"
            # "from package import name": the name may be a module.
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_import_time and isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        ):
            continue
        elif at_import_time and isinstance(node, ast.If) and mentions_type_checking(node.test):
            yield from imports(node.orelse, at_import_time=True)
        else:
            yield from imports(ast.iter_child_nodes(node), at_import_time=at_import_time)


def mentions_type_checking(test):
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(name, *, at_import_time):
    return set(imports(tree_of(name).body, at_import_time=at_import_time))


def tops(names):
    return {name.partition(".")[0] for name in names}


def test_the_packages_are_found():
    assert {"infer", "infer._cli", "infer._runtimes.torchscript", "train._learn.judge"} <= set(
        MODULES
    )
    assert "export._folder" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_down(name):
    ours = tops(imports_of(name, at_import_time=False)) & set(PACKAGES)
    assert ours <= ALLOWED[name.partition(".")[0]]


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_tests_or_benchmarks(name):
    outside = {"tests", "benchmarks", "pytest", "hypothesis", "conftest"}
    assert not tops(imports_of(name, at_import_time=False)) & outside


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] == "infer"])
def test_the_ground_floor_imports_the_standard_library_and_click(name):
    assert tops(imports_of(name, at_import_time=True)) <= GROUND


def arrows(name):
    """Return the modules that one imports anywhere: at its top, in functions, for types only.

    A module also imports the rooms that it is in. The three packages themselves do not count:
    they give public names to others.
    """
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found.add(module if module in MODULES else node.module)
    room = name.rpartition(".")[0]
    while "." in room:
        found.add(room)
        room = room.rpartition(".")[0]
    return (found & set(MODULES)) - {name}


def circles(graph):
    """Return the sets of files that reach each other."""
    reached = {}
    for name in graph:
        seen, waiting = set(), [name]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        reached[name] = seen
    found = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }
    return sorted(map(sorted, found))


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_arrow_goes_in_a_circle():
    assert circles({name: arrows(name) for name in MODULES}) == []


def test_a_package_itself_imports_its_lazy_loader_alone():
    # Importing a.b imports a first: what a imported then could not import a.c.
    for package in PACKAGES:
        assert imports_of(package, at_import_time=True) & set(MODULES) == {"infer._lazy"}
    assert arrows("infer._lazy") == set()


@pytest.mark.parametrize(
    "name", [n for n in MODULES if "." in n and MODULES[n].name == "__init__.py"]
)
def test_a_room_says_what_it_is_for_and_imports_nothing(name):
    tree = tree_of(name)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_every_room_is_in_the_overview():
    overview = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = {path.parent for path in MODULES.values()} - {ROOT / name for name in PACKAGES}
    rooms.add(ROOT / "infer" / "page")
    rows = re.findall(r"^\| `(.+?)/` \|", overview, re.MULTILINE)
    assert sorted(rows) == sorted(room.relative_to(ROOT).as_posix() for room in rooms)


def test_every_path_in_the_overview_exists():
    overview = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    room, missing = "", []
    for line in overview.splitlines():
        if row := re.match(r"\| `(.+?/)` \|", line):
            room = row[1]
        # In the row of a room, a file is named without its folder.
        for path in re.findall(r"`([\w/.]+(?:/|\.(?:py|js|md)))`", line):
            if not (ROOT / path).exists() and not (ROOT / room / path).exists():
                missing.append(path)
        room = room if line.startswith("|") else ""
    assert missing == []


def test_only_the_models_and_their_table_know_the_tutorials():
    room = "train._learn.tutorials"
    outside = [name for name in MODULES if not name.startswith(room)]
    known = {name: arrows(name) & {f"{room}.printed", f"{room}.recipes"} for name in outside}
    assert {name: found for name, found in known.items() if found} == {
        "train._cli": {f"{room}.printed"},
        "train._learn.models": {f"{room}.recipes"},
    }


def class_names(tree):
    """Return the classes that a module defines at its top, without those private to it."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def test_a_class_name_stands_for_one_thing():
    homes = {}
    for name, path in MODULES.items():
        for found in class_names(ast.parse(path.read_text("utf-8"))):
            homes.setdefault(found, []).append(name)
    assert {found: names for found, names in homes.items() if len(names) > 1} == {}


# Imports each module in a process of its own that has nothing of ours imported yet (a fork is
# cheap, and torch is there already), and tells which of the heavy ones came with it.
EACH_FIRST = """
import gc, importlib, json, os, sys
heavy = ["numpy", "torch", "onnx", "onnxruntime", "matplotlib", "mpmath", "openpyxl", "pyarrow"]
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
gc.collect()
gc.freeze()  # so that a fork does not copy all pages to look for garbage
for name in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        before = set(sys.modules)
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(json.dumps([name, repr(error)]), flush=True)
            os._exit(1)
        came = [library for library in heavy if library in sys.modules and library not in before]
        print(json.dumps([name, came]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def import_each_first(names, already):
    """Return what came with each module, or the error, when it is imported before any other."""
    result = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, json.dumps(names), json.dumps(already)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return dict(json.loads(line) for line in result.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_every_module_can_be_imported_first():
    # __main__ modules run a command when they are imported.
    names = [name for name in MODULES if not name.endswith("__main__")]
    heavy = ["numpy", "onnx", "torch", "torch.onnx"]
    assert import_each_first(names, heavy) == {name: [] for name in names}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_what_is_light_stays_light():
    ground = [n for n in MODULES if n.startswith("infer") and not n.endswith("__main__")]
    light = [
        *ground,
        "train",
        "train._cli",
        "train._errors",
        "train._learn.judge",
        "train._learn.recipes",
    ]
    light += [
        "export",
        "export._calibrate_cli",
        "export._cli",
        "export._drift",
        "export._errors",
        "export._folder",
    ]
    assert import_each_first(light, []) == {name: [] for name in light}
