// Runs ONNX models on the WebAssembly backend of onnxruntime-web.
//
// Standard input is a JSON list of jobs {model, input, output, rows}: three paths, and how many
// rows go into a run. An input holds the rows one after the other, in the model's dtype as it lies
// in memory; so does the output that is written.

import { readFileSync, writeFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-web";

const ARRAYS = { float32: Float32Array, float64: Float64Array };

async function run({ model, input, output, rows }) {
  // Bytes, as a page would have fetched them; and the options that a page would leave alone.
  const session = await InferenceSession.create(readFileSync(model), {
    executionProviders: ["wasm"],
  });
  const [{ name, type, shape }] = session.inputMetadata;
  const features = shape.slice(1);
  const width = features[0] ?? 1;
  const values = new ARRAYS[type](new Uint8Array(readFileSync(input)).buffer);
  const answers = new ARRAYS[type](values.length / width);
  for (let start = 0; start < answers.length; start += rows) {
    const part = values.subarray(start * width, (start + rows) * width);
    const feeds = { [name]: new Tensor(type, part, [part.length / width, ...features]) };
    const results = await session.run(feeds);
    answers.set(results[session.outputNames[0]].data, start);
  }
  writeFileSync(output, answers);
  await session.release();
}

for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  await run(job);
}
