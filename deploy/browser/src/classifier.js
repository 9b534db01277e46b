// The exported model, run by ONNX Runtime in WebAssembly, on one thread: more need headers that a
// plain file server does not send.

import * as ort from "./ort/ort.js";

const IMAGE = [1, 28, 28, 1];
const TOP = 3;

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = {
  mjs: new URL("./ort/runtime.js", import.meta.url).href,
  wasm: new URL("./ort/runtime.wasm", import.meta.url).href,
};

export class Classifier {
  constructor(session) {
    this.session = session;
  }

  // Load the model that lies beside this file. Throws if it cannot be.
  static async load() {
    const response = await fetch(new URL("model.onnx", import.meta.url));
    if (!response.ok) throw new Error(`model.onnx: ${response.status}`);
    const content = new Uint8Array(await response.arrayBuffer());
    return new Classifier(await ort.InferenceSession.create(content));
  }

  // Return what the API answers of an image of 784 floats in MNIST form.
  async answer(image) {
    const { probabilities, is_digit } = await this.session.run({
      images: new ort.Tensor("float32", image, IMAGE),
    });
    const shares = [...probabilities.data];
    const ranked = shares.map((_, digit) => digit).sort((one, other) => shares[other] - shares[one]);
    return {
      digit: ranked[0],
      confidence: shares[ranked[0]],
      probabilities: shares,
      top: ranked.slice(0, TOP).map((digit) => ({ digit, confidence: shares[digit] })),
      is_digit: is_digit.data[0],
    };
  }
}
