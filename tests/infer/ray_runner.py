"""Score a folder on a Ray cluster of two nodes, one of which is killed while it scores a file.

    python ray_runner.py IN OUT MARKS

Each attempt at a file leaves an empty file NAME@NODE@PROCESS in the folder MARKS. Prints how many
nodes took part before one was killed, whether the file that was lost with it was begun again on the
other, and how many files were done in the end.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from infer._engines.ray import RayEngine, load
from infer._score import _job
from infer._store import find


class Watched(RayEngine):
    """The engine, with a mark for each attempt."""

    def __init__(self, marks):
        super().__init__(ray)
        self.marks = marks

    def map(self, function, pieces, stop):
        """See ``Engine.map``."""
        marks = self.marks

        def attempt(task):
            node = ray.get_runtime_context().get_node_id()
            Path(marks, f"{Path(task.source).name}@{node}@{os.getpid()}").touch()
            return function(task)

        return super().map(attempt, pieces, stop)


def main(source, target, marks):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        lose_a_node(cluster, source, target, marks)
    finally:
        ray.shutdown()
        cluster.shutdown()


def lose_a_node(cluster, source, target, marks):
    doomed = cluster.add_node(num_cpus=1)
    load(cluster.address)
    job = _job.plan(find("f2c"), source, target, ["temp_f"], None, force=False, resume=False)
    done, nodes = 0, set()

    def running():
        """Return which file the doomed node is at, and the process, or nothing."""
        found = [mark.name.split("@") for mark in Path(marks).iterdir()]
        nodes.update(node for _, node, _ in found)
        there = {path.name for path in Path(target).rglob("*")}
        at = [(n, int(pid)) for n, node, pid in found if node == doomed.node_id and n not in there]
        return at[0] if at else None

    for _ in _job.run(job, target, Watched(marks), lambda *_: None):
        done += 1
        if done == 3:
            while (lost := running()) is None:
                time.sleep(0.005)
            # A machine takes its processes along; Ray's own would live on for a moment.
            os.kill(lost[1], signal.SIGKILL)
            cluster.remove_node(doomed, allow_graceful=False)
    again = [mark.name for mark in Path(marks).iterdir() if mark.name.startswith(f"{lost[0]}@")]
    told = {"nodes": len(nodes), "attempts at the lost file": len(again), "done": done}
    sys.stdout.write(f"\n{json.dumps(told)}\n")


main(*sys.argv[1:])
