"""Run commands on a Ray cluster, of which some lose one of its two nodes while they work.

    python ray_runner.py < COMMANDS

Reads and prints JSON. A command is a list: the program, its arguments, and whether a node is lost.
Prints for each command its exit code and what it printed; and, where a node was lost, how many
nodes took part, and how often the piece was begun that was lost with it.

Nothing is left to chance: the doomed node hangs in its third piece, just before it is done, and
the other one waits in its first piece until then.
"""

import json
import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import ray
from click.testing import CliRunner
from ray.cluster_utils import Cluster

from export._calibrate_cli import main as calibrate
from infer._cli import main as infer
from infer._engines import _registry
from infer._engines.ray import RayEngine, load

PROGRAMS = {"calibrate": calibrate, "infer": infer}
PATIENCE_SECONDS = 300
# After how long a machine that is gone counts as lost: Ray asks five times in vain.
SOON = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500}


def wait_for(path):
    end = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.01)
    return path


def attempt(function, marks, doomed, piece):
    """Do a piece on a node; on the doomed one, the third never ends."""
    node = ray.get_runtime_context().get_node_id()
    name = Path(getattr(piece, "source", None) or piece.readings.name).name
    (marks / f"{name}@{node}@{os.getpid()}").touch()
    hangs = node == doomed and len(list(marks.glob(f"*@{node}@*"))) == 3

    def hang(*_):
        (marks / "new").write_text(f"{name}@{os.getpid()}")
        (marks / "new").rename(marks / "stuck")
        time.sleep(PATIENCE_SECONDS)

    if hangs:
        os.replace = hang  # which puts a scored file in its place
    elif node != doomed:
        wait_for(marks / "stuck")
    result = function(piece)
    if hangs:
        hang()
    return result


class LosingEngine(RayEngine):
    """The engine, on a cluster that loses a node when it goes over pieces for the first time."""

    def __init__(self, cluster, folder):
        super().__init__(ray)
        self.cluster, self.marks = cluster, Path(folder)
        self.doomed = cluster.add_node(num_cpus=1)
        self.told = {}

    def map(self, function, pieces, stop=lambda: None):
        if self.told:
            yield from super().map(function, pieces, stop)
            return
        function = partial(attempt, function, self.marks, self.doomed.node_id)
        for done, pair in enumerate(super().map(function, pieces, stop), start=1):
            yield pair
            if done == 2:
                lost = self.lose()
        marks = [mark.name.split("@") for mark in self.marks.glob("*@*")]
        self.told = {
            "nodes": len({node for _, node, _ in marks}),
            "attempts at the lost piece": sum(name == lost for name, _, _ in marks),
        }

    def lose(self):
        name, _, process = wait_for(self.marks / "stuck").read_text().partition("@")
        # A machine takes its processes along; Ray's own would live on for a moment.
        os.kill(int(process), signal.SIGKILL)
        self.cluster.remove_node(self.doomed, allow_graceful=False)
        return name


def run(cluster, program, arguments, loses):
    with tempfile.TemporaryDirectory() as folder:
        engine = LosingEngine(cluster, folder) if loses else RayEngine(ray)
        _registry.load_engine = lambda *_, **__: engine
        result = CliRunner().invoke(PROGRAMS[program], arguments)
    told = {"nodes and attempts": engine.told} if loses else {}
    return {"code": result.exit_code, "out": result.stdout, "err": result.stderr, **told}


def main():
    commands, here = json.load(sys.stdin), Path.cwd()
    os.chdir("/")  # a machine of a cluster does not begin where the user stands
    head = {"num_cpus": 1, "_system_config": SOON}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    os.chdir(here)
    try:
        load(cluster.address)
        told = [run(cluster, *command) for command in commands]
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(told))  # noqa: T201 - nothing else may be on stdout


if __name__ == "__main__":
    main()
