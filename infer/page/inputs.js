// The inputs: a field and a slider for each feature, and the choices for the interval.
"use strict";
// The range of a feature that the slider and the plot show: a little more than its domain.
function range([low, high]) {
  const span = high - low || Math.abs(high) || 1;
  const step = 10 ** Math.floor(Math.log10(span / 200));
  const to = (value) => Number((Math.round(value / step) * step).toPrecision(12));
  return { step, to, low: to(low - span * 0.08), high: to(high + span * 0.08) };
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
