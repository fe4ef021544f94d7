// The calls that give the same answer elsewhere, to copy.
"use strict";
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
