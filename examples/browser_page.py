"""Put a model into a web page of your own, where the browser computes it: no server, no network.

    python examples/browser_page.py [FOLDER]

Needs samebits alone. The page can be opened as a file, or copied to any web server.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PAGE = """\
<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Thermometer</title>
  <p><input id="fahrenheit" aria-label="°F" size="6"> °F is <output id="celsius"></output> °C</p>
  <script src="demo/evaluate.js"></script>
  <script type="application/json" id="card">CARD</script>
  <script>
    const card = JSON.parse(document.getElementById("card").textContent);
    const compute = samebits.compile(card);
    const [input, output] = ["fahrenheit", "celsius"].map((id) => document.getElementById(id));
    function show() {
      // Text to the nearest float32, the model in float32, and back to the shortest decimal.
      const value = samebits.fromText(input.value, card.dtype);
      const { answer } = compute([value ?? NaN]);
      output.value = value === undefined ? "–" : samebits.shortest(answer, card.dtype);
    }
    input.addEventListener("input", show);
    input.value = "50";
    show();
  </script>
</html>
"""


def main(folder: Path) -> None:
    """Write the demo that ships with samebits, and next to it a page that uses its parts."""
    infer = Path(sysconfig.get_path("scripts"), "infer")
    subprocess.run([infer, "site", folder / "demo", "f2c"], check=True)
    card = (folder / "demo" / "models" / "f2c" / "model.json").read_text(encoding="utf-8")
    page = folder / "thermometer.html"
    # "<" could end the script element; JSON may spell it otherwise.
    page.write_text(PAGE.replace("CARD", card.replace("<", r"\u003c")), encoding="utf-8")
    print(f"open {page}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp(prefix="samebits-")))
