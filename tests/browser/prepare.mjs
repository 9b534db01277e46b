// Brings pictures to MNIST form with the page's own modules, for a test to compare with Python's.
//   node prepare.mjs < pictures > images
// In: height and width (uint32, little-endian) and RGBA bytes, picture after picture. Out, for each:
// 1 and 784 floats (float32), or 0 and as many zeros for a picture without ink.

import { readFileSync, writeSync } from "node:fs";
import { NoInk, enhance } from "../../deploy/browser/src/enhanced.js";
import { greyOf } from "../../deploy/browser/src/grey.js";

const given = readFileSync(0);
const view = new DataView(given.buffer, given.byteOffset, given.byteLength);
for (let at = 0; at < given.length; ) {
  const [height, width] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
  const data = given.subarray(at + 8, at + 8 + 4 * height * width);
  at += 8 + data.length;
  const made = new Float32Array(1 + 784);
  try {
    made.set(enhance(greyOf({ data, height, width })).image.data, 1);
    made[0] = 1;
  } catch (fault) {
    if (!(fault instanceof NoInk)) throw fault;
  }
  const bytes = Buffer.from(made.buffer);
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(1, bytes, sent);
}
