"""Serve models over HTTP and ask them with standard clients: urllib, and Triton's.

    python examples/serve_and_ask.py

Needs samebits[serve] and tritonclient[http].
"""

import json
import subprocess
import sysconfig
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tritonclient.http as triton


@contextmanager
def serving(*models: str) -> Iterator[str]:
    """Serve models on a free port; yields the server's host and port."""
    infer = Path(sysconfig.get_path("scripts"), "infer")
    command = [infer, "serve", *models, "--port", "0", "--no-access-log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            # The server prints its address as soon as it accepts connections.
            yield server.stdout.readline().rpartition("//")[2].strip()
        finally:
            server.terminate()


def main() -> None:
    """Ask for one value as JSON, and for a million as binary."""
    with serving("f2c", "sin_cubic") as address:
        body = {"inputs": [{"name": "t_u", "shape": [1], "datatype": "FP32", "data": [50.0]}]}
        url = f"http://{address}/v2/models/f2c/infer"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=30) as response:
            (celsius,) = json.load(response)["outputs"][0]["data"]
        print(f"f2c: 50 °F is {celsius:.3f} °C")

        x = np.linspace(-3, 3, 1_000_000, dtype="float32")
        tensor = triton.InferInput("x", x.shape, "FP32").set_data_from_numpy(x)
        with triton.InferenceServerClient(address) as client:
            y = client.infer("sin_cubic", [tensor]).as_numpy("y")
        error = np.abs(y - np.sin(x)).max()
        print(f"sin_cubic: {len(y):,} answers, at most {error:.3f} from the sine")


if __name__ == "__main__":
    main()
