// Reads pictures beside the page, so that drawing goes on meanwhile.

import { Classifier } from "./classifier.js";
import { NoInk, enhance } from "./enhanced.js";
import { greyOf } from "./grey.js";

const MOST_PIXELS = 50_000_000;
const UNREADABLE = "This is no picture that the browser can read: try a PNG, JPEG, WebP, BMP or GIF file.";
const TOO_LARGE = "The picture has more than 50 million pixels: send a smaller one.";

const NOT_LOADED = "The network could not be loaded: reload the page.";

// A fault, in words for the person.
class Refused extends Error {}

const loading = Classifier.load();
loading.then(
  () => postMessage({ ready: true }),
  () => postMessage({ ready: false }),
);

onmessage = async ({ data: { id, blob } }) => {
  try {
    const { image, box } = enhance(greyOf(await pixelsOf(blob)));
    const classifier = await loading.catch(() => {
      throw new Refused(NOT_LOADED);
    });
    postMessage({ id, image: image.data, box, answer: await classifier.answer(image.data) });
  } catch (fault) {
    const known = fault instanceof NoInk || fault instanceof Refused;
    postMessage({ id, fault: known ? fault.message : "The picture could not be read: reload the page." });
  }
};

// Return the pixels of a picture file as they are stored, but upright.
async function pixelsOf(blob) {
  const kept = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(blob, kept).catch(() => {
    throw new Refused(UNREADABLE);
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Refused(TOO_LARGE);
  const sheet = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  sheet.drawImage(bitmap, 0, 0);
  bitmap.close();
  return sheet.getImageData(0, 0, width, height);
}
