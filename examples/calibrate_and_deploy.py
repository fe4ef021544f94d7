"""Calibrate a pressure sensor, then deploy the curve to a machine without torch.

    python examples/calibrate_and_deploy.py [FOLDER]

Calibrating needs samebits[train]. The deployed part runs in a separate process here and imports
nothing but samebits itself.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import export
import train

# What the sensor's converter read, and what the reference gauge showed at the same time.
COUNTS = [102, 307, 511, 718, 922, 1127, 1333, 1538, 1744, 1950]
KILOPASCAL = [2.1, 14.4, 26.8, 39.3, 51.5, 64.1, 76.4, 89.0, 101.3, 113.8]

DEPLOYED = """
import sys, infer
sensor = infer.load("./sensor", runtime="python")
low, high = sensor.interval(1000.0, level=0.95)
print(f"1000 counts: {sensor(1000.0):.2f} kPa, 95 % of new readings from {low:.2f} to {high:.2f}")
print(f"50 kPa: {sensor.inverse(50.0):.1f} counts")
print(f"digest {sensor.card.digest[:12]}, torch loaded: {'torch' in sys.modules}")
"""


def main(folder: Path) -> None:
    """Fit the curve exactly, write the artifact, and use it from another process."""
    fit = train.calibrate(COUNTS, KILOPASCAL, name="sensor", unit_x="counts", unit_y="kPa")
    constant, slope = (coefficient.value for coefficient in fit.coefficients)
    print(f"kPa = {constant:.6g} + {slope:.6g}·counts, residual sd {fit.residual_sd:.3g} kPa")

    # Writes four files, having checked that every runtime computes the same bits from them.
    export.save(fit, folder / "sensor")

    # The folder is all that a machine needs. It can be copied, zipped or put into an image.
    subprocess.run([sys.executable, "-c", DEPLOYED], cwd=folder, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp(prefix="samebits-")))
