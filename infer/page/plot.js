// The plot: curve, readings and interval, and the thumbnails in the list of models.
"use strict";
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) || 10);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high && found.length < 50; i++) {
    found.push(i * step);
  }
  return found;
}

// The readings, moved onto the slice that is drawn: other features at their values, same residuals.
function onSlice(base) {
  const { readings, compute, features } = model;
  if (!readings) return [];
  return readings.y.map((y, i) => {
    const x = [].concat(readings.x[i]);
    if (features === 1) return [x[0], y];
    const moved = base.map((value, j) => (j === axis ? x[j] : value));
    return [x[axis], compute(moved).answer + y - compute(x).answer];
  });
}

// Writes the legend above the plot, and the note about the readings below it.
function describe(base, drawn) {
  const { card, names, features, readings } = model;
  const points = card.uncertainty ? "readings" : "points";
  const entry = (name, text) => make("span", { class: name }, text);
  const legend = [make("span", {}, "model")];
  if (readings) legend.push(entry("readings", points));
  if (card.uncertainty) legend.push(entry("band", `${level} % ${KINDS[kind]}`));
  $("legend").replaceChildren(...legend);

  const { dataset } = card.training;
  const rows = `${rowsText(dataset)} ${points} that it was fitted to`;
  const part = drawn < dataset.rows ? `${drawn} of the` : "All";
  const held = names.map((name, j) => `${name} = ${nice(base[j])}`);
  const others = held.filter((_, j) => j !== axis).slice(0, 3);
  const moved = ` Moved along the model to ${others.join(", ")}; their residuals are kept.`;
  $("data").textContent = readings
    ? `${part} ${rows}.${features > 1 ? moved : ""}`
    : `The ${rows} are not part of the model.`;
}

function draw() {
  const { card, compute, output, input, names } = model;
  const box = $("chart");
  const [width, height] = [box.clientWidth, box.clientHeight];
  if (!width) return;
  const base = texts.map((_, j) =>
    values && Number.isFinite(values[j])
      ? values[j]
      : range(card.domain[j]).to((card.domain[j][0] + card.domain[j][1]) / 2),
  );
  const along = (x) => base.map((value, j) => (j === axis ? x : value));
  let { low, high } = range(card.domain[axis]);
  const [from, until] = card.domain[axis];
  const x = values ? values[axis] : NaN;
  const span = high - low;
  const near = x >= low - 2 * span && x <= high + 2 * span;
  if (near) [low, high] = [Math.min(low, x), Math.max(high, x)];
  [low, high] = [low - span / 50, high + span / 50];

  const count = Math.min(400, Math.max(60, Math.round(width / 2)));
  const grid = Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);
  const difference = $("what").value === "difference";
  const origin = (at) => (difference ? compute(along(at)).answer : 0);
  const curve = grid.map((at) => [at, compute(along(at)).answer - origin(at)]);
  const band = card.uncertainty ? grid.map((at) => ends(along(at)).map((y) => y - origin(at))) : [];
  const dots = onSlice(base).map(([at, y]) => [at, y - origin(at)]);
  const answer = values ? compute(values).answer - origin(x) : NaN;
  const whisker =
    card.uncertainty && near ? ends(texts.map(samebits.toDouble)).map((y) => y - origin(x)) : [];
  describe(base, dots.length);

  const inside = (at) => at >= from && at <= until;
  const seen = [
    ...curve.filter(([at]) => inside(at)).map(([, y]) => y),
    ...dots.map(([, y]) => y),
    ...band.filter((_, i) => inside(grid[i])).flat(),
  ].filter(Number.isFinite);
  let [bottom, top] = seen.length ? [Math.min(...seen), Math.max(...seen)] : [-1, 1];
  const tall = top - bottom || Math.abs(top) || 1;
  for (const y of [answer, ...whisker]) {
    if (near && y > bottom - tall && y < top + tall) {
      [bottom, top] = [Math.min(bottom, y), Math.max(top, y)];
    }
  }
  [bottom, top] = [bottom - tall * 0.07, top + tall * 0.07];
  if (![high - low, top - bottom].every((size) => size > 0 && size < 1e300)) {
    box.replaceChildren("These numbers cannot be drawn.");
    return;
  }

  const yTicks = ticks(bottom, top, height / 55);
  const xTicks = ticks(low, high, width / 80);
  const left = 14 + 7.2 * Math.max(2, ...yTicks.map((y) => nice(y).length));
  const [right, up, down] = [width - 10, 20, height - 36];
  const within = (pixels) => Math.max(-9999, Math.min(9999, pixels));
  const px = (at) => within(left + ((right - left) * (at - low)) / (high - low));
  const py = (y) => within(down - ((down - up) * (y - bottom)) / (top - bottom));
  const dot = ([at, y]) => `${px(at).toFixed(1)} ${py(y).toFixed(1)}`;
  const move = (before) => (before && Number.isFinite(before[1]) ? "L" : "M");
  const step = (point, i, all) =>
    Number.isFinite(point[1]) ? `${move(all[i - 1])}${dot(point)}` : "";
  const path = (points) => points.map(step).join("");
  const stroke = (name, d) => make("path", { class: name, d });
  const inPlot = (...children) => make("g", { "clip-path": "url(#plot)" }, ...children);
  const label = (at, y, text, anchor) => make("text", { x: at, y, "text-anchor": anchor }, text);
  const parts = [
    curve.filter(([at]) => at <= from),
    curve.filter(([at]) => inside(at)),
    curve.filter(([at]) => at >= until),
  ];
  const edge = (end) => grid.map((at, i) => [at, band[i][end]]);
  const around = band.length ? [...edge(1), ...edge(0).reverse()] : [];
  const shade = path(around.filter(([, y]) => Number.isFinite(y)));
  const touches = ([at, y]) => !(Math.abs(py(y) - py(compute(along(at)).answer)) > 3);
  if (!difference && dots.length && dots.every(touches)) {
    const close = "They are too close to the curve to distinguish";
    $("data").textContent += ` ${close}: choose “difference from the model”.`;
  }
  const visible = near && Number.isFinite(answer);
  const here = [];
  if (visible) {
    here.push(stroke("drop", `M${px(x)} ${down}V${py(answer)}H${left}`));
    if (whisker.length && whisker.every(Number.isFinite)) {
      const [from, to] = whisker.map(py);
      const caps = `M${px(x) - 5} ${from}h10M${px(x) - 5} ${to}h10`;
      here.push(stroke("whisker", `M${px(x)} ${from}V${to}${caps}`));
    }
    here.push(make("circle", { class: "here", cx: px(x), cy: py(answer), r: 6.5 }));
  }
  const what = `${output.name}${difference ? " less the model" : ""} over ${names[axis]}`;
  const there = visible ? `; at ${nice(x)} it is ${nice(answer)}` : "";
  const lines = [
    ...xTicks.map((at) => `M${px(at)} ${up - 8}V${down}`),
    ...yTicks.map((y) => `M${left} ${py(y)}H${right}`),
  ];
  const before = `M${left} 0H${px(from)}V${down}H${left}Z`;
  const after = `M${px(until)} 0H${right}V${down}H${px(until)}Z`;
  const plot = { x: left, y: up - 8, width: right - left, height: down - up + 8 };

  box.replaceChildren(
    make(
      "svg",
      {
        role: "img",
        viewBox: `0 0 ${width} ${height}`,
        "aria-label": `${what}, from ${nice(low)} to ${nice(high)}${there}`,
      },
      make("clipPath", { id: "plot" }, make("rect", plot)),
      inPlot(stroke("outside", before + after)),
      stroke("grid", lines.join("")),
      ...xTicks.map((at) =>
        label(Math.min(px(at), width - 3.6 * nice(at).length), down + 16, nice(at), "middle"),
      ),
      ...yTicks.map((y) => label(left - 8, py(y) + 4, nice(y), "end")),
      label(right, height - 3, titled(names[axis], input), "end"),
      label(0, 10, titled(output.name + (difference ? " − model" : ""), output), "start"),
      inPlot(
        stroke("shade", shade),
        ...parts.map((part, i) => stroke(`curve${i === 1 ? "" : " extra"}`, path(part))),
        stroke(
          `dots${dots.length > 40 ? " many-dots" : ""}`,
          dots.map((point) => `M${dot(point)}h0`).join(""),
        ),
        ...here,
      ),
      stroke("axis", `M${left} ${down}H${right}`),
    ),
  );

  box.onpointerdown = box.onpointermove = (event) => {
    if (!(event.buttons & 1)) return;
    const ratio = (event.offsetX - left) / (right - left);
    const slider = document.querySelectorAll("input[type=range]")[axis];
    slider.value = low + (high - low) * ratio;
    slider.dispatchEvent(new Event("input"));
  };
}

function thumbnail({ card, compute }) {
  const [from, until] = card.domain[0];
  const middle = card.domain.map(([low, high]) => low / 2 + high / 2);
  const ys = Array.from(
    { length: 41 },
    (_, i) => compute([from + ((until - from) * i) / 40, ...middle.slice(1)]).answer,
  );
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const d = ys
    .map((y, i) => `${i ? "L" : "M"}${i * 1.35 + 1} ${33 - (30 * (y - low)) / (high - low || 1)}`)
    .join("");
  return make(
    "svg",
    { viewBox: "0 0 56 36", "aria-hidden": "true" },
    make("path", { d: /NaN|Inf/.test(d) ? "" : d }),
  );
}
