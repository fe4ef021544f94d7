// The card: facts about the model, and its program step by step.
"use strict";
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
