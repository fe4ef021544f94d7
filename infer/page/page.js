// Draws the page. Cards, readings and quantiles stand in the page as JSON, so that it works
// without a network, and opened as a file. Text only ever goes in as text, never as HTML.
"use strict";
const $ = (id) => document.getElementById(id);
const site = JSON.parse($("site").textContent);
const models = [...document.querySelectorAll("script[data-model]")].map((element) => {
  const card = JSON.parse(element.textContent);
  const features = card.inputs[0].shape[1];
  const input = card.inputs[0];
  return {
    card,
    input,
    output: card.outputs[0],
    features: features || 1,
    json: element.textContent,
    compute: samebits.compile(card),
    reach: site.reach[card.name],
    readings: card.readings || site.readings[card.training.dataset.sha256],
    names: features ? card.domain.map((_, j) => `${input.name}[${j}]`) : [input.name],
  };
});
// What is shown: a model, a text a feature, and which feature the chart's axis is.
let model, texts, axis, values, asked;

function make(tag, attributes = {}, ...children) {
  const svg = /^(svg|g|path|line|rect|circle|text|clipPath)$/.test(tag);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
const titled = (name, port) => name + (port.unit === "1" ? "" : ` (${port.unit})`);
const unit = (port) => (port.unit === "1" ? "" : ` ${port.unit}`);
const short = (value) => samebits.shortest(value, model.card.dtype);
const rounded = (value) => {
  const near = Number(value.toPrecision(6));
  return Math.abs(near) < 1e9 ? String(near) : near.toExponential().replace("+", "");
};
const rowsText = (dataset) => dataset.rows.toLocaleString("en");
const nice = (value) => rounded(value).replace(/^-/, "−");

// What the slider and the chart show of a feature: its domain and a little more.
function range([low, high]) {
  const span = high - low || Math.abs(high) || 1;
  const step = 10 ** Math.floor(Math.log10(span / 200));
  const to = (value) => Number((Math.round(value / step) * step).toPrecision(12));
  return { step, to, low: to(low - span * 0.08), high: to(high + span * 0.08) };
}

function show(name, given) {
  model =
    models.find((one) => one.card.name === name) ||
    models.find((one) => one.card.uncertainty) ||
    models[0];
  const { card, output, features } = model;
  const start = ([low, high]) => range([low, high]).to(low + (high - low) * 0.62);
  texts = card.domain.map((ends, j) => given?.[j] || String(start(ends)));
  axis = 0;
  document.title = `${card.name} · samebits`;
  $("title").textContent = card.title;
  $("formula").textContent = card.formula;
  $("description").textContent = card.description;
  $("output").textContent = output.name;
  $("unit").textContent = unit(output);
  for (const link of $("models").children) {
    link.removeAttribute("aria-current");
    if (link.hash !== `#${card.name}`) continue;
    link.setAttribute("aria-current", "page");
    $("models").scrollLeft = link.offsetLeft - 16;
  }
  $("inputs").replaceChildren(...model.names.map(row));
  $("inputs").className = features > 1 ? "many" : "";
  const none = "No interval: not fitted to measurements, or with as many terms as readings.";
  $("interval").replaceChildren(
    ...(card.uncertainty ? choices() : [make("p", { class: "soft small" }, none)]),
  );
  $("json").textContent = model.json;
  $("file").href = `models/${card.name}/model.json`;
  facts();
  update();
}

function row(name, j) {
  const { low, high, step, to } = range(model.card.domain[j]);
  const [from, until] = model.card.domain[j];
  const focus = () => {
    if (axis === j) return;
    axis = j;
    draw();
  };
  const field = make("input", {
    type: "text",
    id: `x${j}`,
    value: texts[j],
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "done",
    "aria-describedby": "problem",
    input: () => {
      texts[j] = field.value;
      place();
      update();
    },
    focus,
  });
  const slider = make("input", {
    type: "range",
    min: low,
    max: high,
    step,
    "aria-label": `${name}, by sliding`,
    input: () => {
      texts[j] = field.value = String(to(slider.valueAsNumber));
      update();
    },
    focus,
  });
  const place = () => {
    slider.value = samebits.toDouble(texts[j]);
  };
  place();
  return make(
    "div",
    {},
    make("p", { class: "label" }, make("label", { for: `x${j}` }, name)),
    make("div", { class: "field" }, field, make("span", { class: "unit" }, unit(model.input))),
    slider,
    make(
      "p",
      { class: "label ends" },
      make("span", {}, nice(low)),
      make("span", {}, `fitted from ${nice(from)} to ${nice(until)}`),
      make("span", {}, nice(high)),
    ),
  );
}

const KINDS = { prediction: "of new readings", confidence: "for the curve" };
let level = "95";
let kind = "prediction";
function choices() {
  const choose = (label, value, options, change) => {
    const act = () => {
      change(select.value);
      update();
    };
    const select = make(
      "select",
      { "aria-label": label, change: act },
      ...Object.entries(options).map(([key, text]) => make("option", { value: key }, text)),
    );
    select.value = value;
    return select;
  };
  const levels = Object.fromEntries(Object.keys(model.reach).map((p) => [p, `${p} %`]));
  const ofLevel = choose("Level of the interval", level, levels, (value) => {
    level = value;
  });
  const ofKind = choose("Kind of interval", kind, KINDS, (value) => {
    kind = value;
  });
  return [ofLevel, " ", ofKind, " ", make("b", { id: "ends" })];
}

function ends(doubles, which = kind) {
  const found = model.card.uncertainty;
  const sigma = which === "prediction" ? found.typical_sigma : 0;
  return samebits.interval(found, doubles, model.reach[level], sigma);
}

const soon = {};
function later(name, milliseconds, act) {
  clearTimeout(soon[name]);
  soon[name] = setTimeout(act, milliseconds);
}

function update() {
  const { card, input, output, names } = model;
  const doubles = texts.map(samebits.toDouble);
  const wrong = doubles.indexOf(undefined);
  doubles.forEach((double, j) => {
    $(`x${j}`).setAttribute("aria-invalid", String(double === undefined));
  });
  asked = null;
  if (wrong >= 0) {
    const hint = /^\s*[+-]?\d+,\d+\s*$/.test(texts[wrong])
      ? texts[wrong].trim().replace(",", ".")
      : rounded(card.domain[wrong][1]);
    $("problem").textContent =
      `${names[wrong]}: “${texts[wrong]}” is not a number; expected one such as ${hint}`;
    values = null;
    $("answer").textContent = "–";
    $("note").textContent = "";
    if (card.uncertainty) $("ends").textContent = "";
    for (const id of ["bits", "calls"]) $(id).replaceChildren();
    for (const id of ["verdict", "rounded"]) $(id).textContent = "";
    steps({});
    draw();
    return;
  }
  $("problem").textContent = "";
  values = texts.map((text) => samebits.fromText(text, card.dtype));
  const { answer, at } = model.compute(values);
  $("answer").textContent = short(answer);
  const out = doubles.findIndex((x, j) => !(x >= card.domain[j][0] && x <= card.domain[j][1]));
  $("note").textContent =
    out < 0
      ? ""
      : `${texts[out]}${unit(input)} is outside the range that the fit saw, ` +
        `${nice(card.domain[out][0])} to ${nice(card.domain[out][1])}${unit(input)}`;
  if (card.uncertainty) {
    const [low, high] = ends(doubles);
    const digits = 3 - Math.floor(Math.log10(high - low));
    const text = (end) =>
      digits >= 0 && digits < 9 ? end.toFixed(digits).replace("-", "−") : nice(end);
    $("ends").textContent = `${text(low)} to ${text(high)}${unit(output)}`;
  }
  const odd = values.findIndex(
    (x, j) => Number.isFinite(x) && samebits.repr(x) !== samebits.repr(doubles[j]),
  );
  $("rounded").textContent =
    odd < 0
      ? ""
      : `${texts[odd].trim()} is no ${card.dtype}; computed on ${samebits.repr(values[odd])}.`;
  compare(answer);
  calls();
  steps(at);
  draw();
  later("settle", 400, () => {
    const given = texts.map((text) => encodeURIComponent(text.trim())).join(",");
    history.replaceState(null, "", `#${card.name}=${given}`);
    const [note, said] = [$("note").textContent, $("verdict").textContent];
    $("live").textContent = `${output.name} is ${short(answer)}${unit(output)}. ${note} ${said}`;
  });
}

// ---- Bits, and what the server says ----

function cells(label, hex, other) {
  const binary = [...hex].map((digit) => parseInt(digit, 16).toString(2).padStart(4, "0")).join("");
  const exponent = hex.length === 8 ? 8 : 11;
  const bitAt = (digits, i) => (parseInt(digits[i >> 2], 16) >> (3 - (i % 4))) & 1;
  const looks = (bit, i) => {
    const part = i === 0 ? "s" : i <= exponent ? "e" : "f";
    const wrong = other && bitAt(hex, i) !== bitAt(other, i);
    return `${part}${bit === "1" ? " on" : ""}${wrong ? " wrong" : ""}`;
  };
  const squares = [...binary].map((bit, i) => make("i", { class: looks(bit, i) }));
  const shown = make("span", { class: "hex" }, `0x${hex}`);
  return make(
    "div",
    {},
    make("p", { class: "label" }, make("span", {}, label), shown),
    make("div", { class: "cells", "aria-hidden": "true" }, ...squares),
  );
}

function verdict(text, kind) {
  $("verdict").textContent = text;
  $("verdict").className = `verdict ${kind}`;
}

function compare(answer) {
  const { card } = model;
  const here = samebits.bits(answer, card.dtype);
  $("bits").replaceChildren(cells("this browser", here));
  if (!site.server) return verdict("No server here: this page computed alone.", "alone");
  verdict("asking the server…", "alone");
  const question = {};
  asked = question;
  return later("ask", 120, async () => {
    if (asked !== question) return;
    let there, problem;
    try {
      there = await ask(values);
    } catch (error) {
      problem = error.message;
    }
    if (asked !== question) return;
    if (problem) {
      verdict(`The server did not answer: ${problem}`, "other");
      return;
    }
    $("bits").replaceChildren(cells("this browser", here), cells("server", there, here));
    const other = "✗ the server returned other bits; if its model was replaced, reload this page";
    if (there === here) verdict(`✓ the server returned the same ${4 * here.length} bits`, "same");
    else verdict(other, "other");
  });
}

// Asks in the protocol's binary form: JSON has neither infinities nor nan.
async function ask(row) {
  const { card, output } = model;
  const wide = card.dtype === "float64";
  const view = new DataView(new ArrayBuffer(row.length * (wide ? 8 : 4)));
  row.forEach((x, i) => {
    if (wide) view.setFloat64(8 * i, x, true);
    else view.setFloat32(4 * i, x, true);
  });
  const head = new TextEncoder().encode(
    JSON.stringify({
      inputs: [{ ...tensor(), parameters: { binary_data_size: view.byteLength } }],
      outputs: [{ name: output.name, parameters: { binary_data: true } }],
    }),
  );
  const response = await fetch(`v2/models/${card.name}/infer`, {
    method: "POST",
    body: new Blob([head, view]),
    headers: {
      "Content-Type": "application/octet-stream",
      "Inference-Header-Content-Length": head.length,
    },
  });
  if (!response.ok) {
    throw new Error((await response.text()).slice(0, 200) || `status ${response.status}`);
  }
  const start = Number(response.headers.get("Inference-Header-Content-Length"));
  const data = new DataView(await response.arrayBuffer(), start);
  return samebits.bits(wide ? data.getFloat64(0, true) : data.getFloat32(0, true), card.dtype);
}

const tensor = () => ({
  name: model.input.name,
  shape: model.input.shape.length > 1 ? [1, model.features] : [1],
  datatype: model.card.dtype === "float64" ? "FP64" : "FP32",
});

// ---- Calls to copy ----

const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

function calls() {
  const { card, input } = model;
  const numbers = values.map(short);
  const finite = values.every(Number.isFinite);
  const base = site.server
    ? location.href.split("#")[0].replace(/[^/]*$/, "")
    : "http://127.0.0.1:8000/";
  const body = JSON.stringify({ inputs: [{ ...tensor(), data: [] }] }).replace(
    "[]}]",
    `[${numbers.join(", ")}]}]`,
  );
  const python = numbers.map((text, j) => (Number.isFinite(values[j]) ? text : `float("${text}")`));
  const x = input.shape.length > 1 ? `[${python.join(", ")}]` : python[0];
  const interval = card.uncertainty;
  const confidence = kind === "confidence";
  const where = site.found[card.name];
  const command = where === "f2c" ? "f2c" : `infer run ${quoted(where)}`;
  const rows = {
    shell:
      `${command} ${numbers.map((text) => text.replace(/\.0$/, "")).join(",")}` +
      (interval ? ` --interval ${level}${confidence ? " --kind confidence" : ""}` : ""),
    Python:
      `import infer\n\nmodel = infer.load(${JSON.stringify(where)})\nmodel(${x})` +
      (interval
        ? `\nmodel.interval(${x}, ${level / 100}${confidence ? ', "confidence"' : ""})`
        : ""),
    curl: finite
      ? `curl ${base}v2/models/${card.name}/infer -d '${body}'`
      : "# JSON has neither infinities nor nan; send them in the protocol's binary form",
  };
  $("calls").replaceChildren(
    ...Object.entries(rows).map(([name, text]) => {
      const code = make("pre", { tabindex: "0", "aria-label": `${name} call` }, text);
      const button = make(
        "button",
        { type: "button", "aria-label": `Copy the ${name} call`, click: () => copy(code, button) },
        "Copy",
      );
      return make("div", { class: "call" }, make("h3", {}, name), code, button);
    }),
  );
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    // Not permitted: select it for the keyboard.
    getSelection().selectAllChildren(code);
    button.textContent = "Ctrl+C";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 1500);
}

// ---- Card ----

function facts() {
  const { card, input, output } = model;
  const { dataset, settings, recipe, loss, best_loss: best } = card.training;
  const found = card.uncertainty;
  const list = (object) =>
    Object.entries(object)
      .map(([key, value]) => `${key} ${value}`)
      .join(", ");
  const fixed = (value) => `${samebits.repr(value)} (fixed)`;
  const rows = [
    ["name", card.name],
    ["input", `${input.name} (${input.unit}), ${card.dtype}`],
    ["output", `${output.name} (${output.unit}), ${card.dtype}`],
    ["domain", card.domain.map((pair) => `[${pair.map(nice).join(", ")}]`).join(" × ")],
    ...Object.entries(card.parameters).map(([key, value]) => [key, samebits.repr(value)]),
    ...Object.entries(card.constants).map(([key, value]) => [key, fixed(value)]),
    ["data", `${dataset.name}, ${rowsText(dataset)} rows, ${dataset.sha256.slice(0, 12)}…`],
    ["recipe", `${recipe} (${list(settings)})`],
    ["loss", `${nice(loss)}, best possible ${nice(best)}`],
    found && [
      "residual sd",
      `${nice(found.residual_sd)}${unit(output)}, ${found.degrees_of_freedom} degrees of freedom`,
    ],
    ["versions", list(card.training.versions)],
    ["digest", `${card.digest.slice(0, 12)}…`],
  ];
  $("facts").replaceChildren(
    ...rows.filter(Boolean).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]),
  );
}

function steps(at) {
  $("steps").tBodies[0].replaceChildren(
    ...model.card.program.map((line) => {
      const value = at[line.split(" = ")[0]];
      const [text, hex] =
        value === undefined ? ["", ""] : [short(value), samebits.bits(value, model.card.dtype)];
      return make("tr", {}, make("td", {}, line), make("td", {}, text), make("td", {}, hex));
    }),
  );
}

// ---- Chart ----

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

// The readings, on the slice that is drawn: other features at their values, residuals kept.
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

// Says what the chart shows: the legend above it, and the readings below.
function tell(base, drawn) {
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
  tell(base, dots.length);

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
    const close = "They lie too close to the curve to be told from it";
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

// ---- Start ----

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

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

function route() {
  const [name, given] = location.hash.slice(1).split("=");
  show(name, given?.split(",").map(decode));
}

$("models").append(
  ...models.map((one) =>
    make(
      "a",
      { href: `#${one.card.name}` },
      thumbnail(one),
      make("span", {}, ...one.card.name.split(/(?<=[._])/).flatMap((part) => [part, make("wbr")])),
      make("small", {}, `${one.input.unit} → ${one.output.unit}`),
    ),
  ),
);
document.querySelector("main").hidden = false;
$("what").addEventListener("change", draw);
addEventListener("hashchange", route);
new ResizeObserver(() => draw()).observe($("chart"));
route();
