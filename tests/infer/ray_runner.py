"""Score a folder on a Ray cluster of two nodes, one of which is killed halfway.

    python ray_runner.py IN OUT

Prints how many nodes there were, how many files were done when one was lost, how many nodes were
left, and how many files were done in the end.
"""

import json
import sys

from ray.cluster_utils import Cluster

from infer._engines import load_engine
from infer._score import _job
from infer._store import find


def main(source, target):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    other = cluster.add_node(num_cpus=1)
    engine = load_engine("ray", cluster.address)
    nodes = engine.workers
    job = _job.plan(find("f2c"), source, target, ["temp_f"], None, force=False, resume=False)
    done, lost_after = 0, None
    for _ in _job.run(job, target, engine, lambda *_: None):
        done += 1
        if done == 3:
            cluster.remove_node(other, allow_graceful=False)
            lost_after = done
    left = engine.workers
    told = {"nodes": nodes, "lost after": lost_after, "left": left, "done": done}
    sys.stdout.write(f"\n{json.dumps(told)}\n")


main(*sys.argv[1:])
