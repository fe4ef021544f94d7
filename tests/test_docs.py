"""Everything that README.md and docs/ show is executed, and says what they say it says.

```console blocks are commands after "$ " with their output; ```pycon blocks are interpreter
sessions; ```python blocks are programs. In all of them "..." stands for anything. The blocks of a
page run in order in one folder that holds the data that the page links to and nothing else. ```sh
blocks install things; .ci/run executes these. A page that shows how to ask a server has one to ask,
at a port of its own.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(console|pycon|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN_ADDRESS = "127.0.0.1:8000"
SHOWN_GRPC_ADDRESS = "127.0.0.1:8001"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def shell(tmp_path, warm):
    environment = {**os.environ, "PATH": f"{warm}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("SAMEBITS_ARTIFACTS", None)

    def run(*command):
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


def commands(block):
    """Yield each command of a console block with the output that follows it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


@pytest.fixture
def served():
    """Return a function that serves all models and gives the text with the server's address."""
    processes = []

    def with_address(text):
        if SHOWN_ADDRESS not in text:
            return text
        infer = Path(sys.executable).with_name("infer")
        command = [infer, "serve", "--port", "0", "--grpc-port", "0", "--no-access-log"]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        addresses = processes[-1].stdout.readline().rpartition("//")[2].strip()
        http, grpc = addresses.split(", gRPC at ")
        return text.replace(SHOWN_ADDRESS, http).replace(SHOWN_GRPC_ADDRESS, grpc)

    yield with_address
    for process in processes:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_what_happens(page, shell, served, tmp_path):
    text = served(page.read_text(encoding="utf-8"))
    for data in re.findall(r"\]\(([a-z_]+\.csv)\)", text):
        shutil.copy(page.parent / data, tmp_path)
    for kind, block in BLOCK.findall(text):
        if kind == "console":
            for command, expected in commands(block):
                got = shell("bash", "-c", command).stdout
                matches = doctest.OutputChecker().check_output(expected, got, OPTIONS)
                assert matches, f"$ {command}\nshown:\n{expected}\ngot:\n{got}"
        elif kind == "python":
            program = tmp_path / "program.py"
            program.write_text(block, encoding="utf-8")
            result = shell("python", str(program))
            assert result.returncode == 0, result.stdout
    # An interpreter remembers: the sessions of a page are one.
    session = tmp_path / "session.txt"
    blocks = [block for kind, block in BLOCK.findall(text) if kind == "pycon"]
    session.write_text("\n".join(blocks), encoding="utf-8")
    options = ("-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE")
    result = shell("python", "-m", "doctest", *options, str(session))
    assert result.returncode == 0, result.stdout


def test_links_between_pages_lead_somewhere():
    others = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")
    for page in [*PAGES, *(ROOT / name for name in others)]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
