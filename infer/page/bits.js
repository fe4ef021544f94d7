// The bits of the answer, computed here and by the server.
"use strict";
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
  if (!site.server) return verdict("No server here: only this page computed.", "alone");
  verdict("asking the server…", "alone");
  const question = {};
  asked = question;
  return debounce("ask", 120, async () => {
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
