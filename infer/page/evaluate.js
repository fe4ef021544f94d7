// Computes models in any JavaScript engine, as specified in docs/artifact-format.md. This is a
// classic script, not a module, so that a page that was opened as a file can load it too.
"use strict";
const samebits = (() => {
  const view = new DataView(new ArrayBuffer(8));

  // The bit pattern in hex digits; the same for all nans.
  function bits(value, dtype) {
    if (dtype === "float32") {
      view.setFloat32(0, value);
      return Number.isNaN(value) ? "7fc00000" : view.getUint32(0).toString(16).padStart(8, "0");
    }
    const pattern = Number.isNaN(value) ? 0x7ff8n << 48n : pattern64(value);
    return pattern.toString(16).padStart(16, "0");
  }

  function pattern64(value) {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  }

  // The operations, by their notation in a program: from the operands to the result before
  // rounding. k is the index of a feature. infer/_program/operations.py has the same rows.
  const operations = new Map([
    ["a + b", (a, b) => a + b],
    ["a - b", (a, b) => a - b],
    ["a * b", (a, b) => a * b],
    ["-a", (a) => -a],
    ["a[k]", (a, _, k) => a[k]],
  ]);

  function readStep(line) {
    const [target, expression] = line.split(" = ");
    const names = [];
    const written = expression
      .replace(/\b[a-z]\w*(?![\w(])/g, (name) => "ab"[names.push(name) - 1])
      .replace(/\[\d+\]/, "[k]");
    const operation = operations.get(written);
    if (!operation) throw new Error(`evaluate.js does not support '${written}', as in '${line}'`);
    return { target, operation, a: names[0], b: names[1], k: parseInt(line.split("[")[1], 10) };
  }

  // Returns a function from the values of the features to { answer, at }; at has the value of each
  // step.
  function compile(card) {
    const round = card.dtype === "float32" ? Math.fround : (value) => value;
    const steps = card.program.map(readStep);
    const [input, output] = [card.inputs[0], card.outputs[0].name];
    return (values) => {
      const x = values.map(round);
      const at = { ...card.constants, ...card.parameters };
      at[input.name] = input.shape.length === 1 ? x[0] : x;
      for (const { target, operation, a, b, k } of steps) {
        at[target] = round(operation(at[a], at[b], k));
      }
      return { answer: at[output], at };
    };
  }

  // The ends of the interval at some doubles, with the operations of infer/_curve/interval.py. t is
  // the quantile of Student's t distribution; sigma is that of a new reading, or 0 for the curve.
  function interval(found, values, t, sigma) {
    const tables = values.map((value, j) => {
      const u = (value - found.center[j]) / found.half_width[j];
      const table = [1];
      const most = Math.max(...found.powers.map((row) => row[j]));
      while (table.length <= most) table.push(table[table.length - 1] * u);
      return table;
    });
    const terms = found.powers.map((row) =>
      row.map((power, j) => tables[j][power]).reduce((one, other) => one * other),
    );
    const dot = (row) =>
      row.map((coefficient, i) => coefficient * terms[i]).reduce((sum, term) => sum + term);
    const variance = found.factor
      .map(dot)
      .reduce((sum, share) => sum + share * share, sigma * sigma);
    const center = dot(found.curve);
    const half = t * found.residual_sd * Math.sqrt(variance);
    return [center - half, center + half];
  }

  const DIGITS = "\\d+";
  const NUMBER = new RegExp(
    `^[+-]?(?:(${DIGITS})\\.?(${DIGITS})?|\\.(${DIGITS}))(?:e([+-]?${DIGITS}))?$`,
    "i",
  );

  // The double nearest to a decimal, as from_text() in Python; undefined if it is not a number.
  function toDouble(text) {
    const word = /^([+-]?)(inf(?:inity)?|nan)$/i.exec(text.trim());
    if (word) return /nan/i.test(word[2]) ? NaN : word[1] === "-" ? -Infinity : Infinity;
    return NUMBER.test(text.trim()) ? Number(text.trim()) : undefined;
  }

  // The value of the dtype nearest to a decimal, rounded once. Rounding to a double first rounds
  // twice, which matters where the double is halfway between two float32 values.
  function fromText(text, dtype) {
    const double = toDouble(text);
    if (double === undefined || dtype === "float64") return double;
    const single = Math.fround(double);
    const pattern = pattern64(double);
    if (single === double || !Number.isFinite(double) || pattern & 0xfffffffn) return single;
    view.setBigUint64(0, pattern + beyond(text.trim(), pattern));
    return Math.fround(view.getFloat64(0));
  }

  // 1n, 0n or -1n: whether the magnitude of a decimal is greater than, equal to or less than its
  // double's.
  function beyond(text, pattern) {
    const [, whole = "", fraction = "", only = "", power = "0"] = NUMBER.exec(text);
    // This overestimates a subnormal double, which is far below the smallest float32 anyway.
    let double = (pattern & 0xfffffffffffffn) | (1n << 52n);
    let decimal = BigInt(whole + fraction + only);
    const two = ((pattern >> 52n) & 0x7ffn) - 1075n;
    const ten = BigInt(power) - BigInt((fraction + only).length);
    if (ten < 0) double *= 10n ** -ten;
    else decimal *= 10n ** ten;
    if (two < 0) decimal <<= -two;
    else double <<= two;
    return decimal > double ? 1n : decimal < double ? -1n : 0n;
  }

  // A double as Python's repr() writes it.
  function repr(value) {
    if (!Number.isFinite(value)) return String(value).toLowerCase().replace("infinity", "inf");
    const [digits, power] = value.toExponential().split("e");
    if (value !== 0 && (power < -4 || power >= 16)) {
      return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
    }
    const text = Object.is(value, -0) ? "-0" : String(value);
    return text.includes(".") ? text : `${text}.0`;
  }

  // The shortest decimal that rounds to a value of the dtype, as in infer/_ieee/shortest.py.
  function shortest(value, dtype) {
    const size = Math.abs(value);
    if (dtype === "float64" || !Number.isFinite(value) || size === 0) return repr(value);
    const [mantissa, power] = size.toExponential(100).split("e");
    const all = mantissa.replace(".", "");
    // Below a power of two the spacing is half of that above it, so the next larger decimal can
    // round to the value although the nearest one does not.
    const lopsided = /^..[08]0{5}$/.test(bits(size, "float32"));
    for (let count = size < 2 ** -126 ? 1 : 6; ; count++) {
      const down = BigInt(all.slice(0, count));
      const rest = all.slice(count);
      const half = "5".padEnd(rest.length, "0");
      const nearest = down + (rest > half || (rest === half && down % 2n) ? 1n : 0n);
      for (const digits of lopsided ? [nearest, down + 1n] : [nearest]) {
        const text = `${digits}e${power - count + 1}`;
        if (count === 9 || fromText(text, "float32") === size) {
          return repr(Math.sign(value) * Number(text));
        }
      }
    }
  }

  const written = [...operations.keys()];
  return { bits, compile, fromText, interval, repr, shortest, toDouble, written };
})();
