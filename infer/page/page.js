// The page: its models, what is shown of them, and the start. The other scripts draw its parts;
// all share one global scope. Cards, readings and quantiles are in the page as JSON, so that it
// works without a network, and when opened as a file. Text is only ever inserted as text, never as
// HTML.
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
// What is shown: the model, one text per feature, the feature on the x axis of the plot, the parsed
// values (null if a text is not a number), and the latest question to the server.
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

const timers = {};
function debounce(name, milliseconds, act) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(act, milliseconds);
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
      : `${texts[odd].trim()} is not a ${card.dtype}; computed with ${samebits.repr(values[odd])}.`;
  compare(answer);
  calls();
  steps(at);
  draw();
  debounce("settle", 400, () => {
    const given = texts.map((text) => encodeURIComponent(text.trim())).join(",");
    history.replaceState(null, "", `#${card.name}=${given}`);
    const [note, said] = [$("note").textContent, $("verdict").textContent];
    $("live").textContent = `${output.name} is ${short(answer)}${unit(output)}. ${note} ${said}`;
  });
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
