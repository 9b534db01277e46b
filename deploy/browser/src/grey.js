// A decoded picture made opaque and grey, as decoding.py and utils.py do.

import { largest, round, smallest } from "./arrays.js";
import { BOX, resizedBytes } from "./resampling.js";

const ENOUGH_SIDE = 1024; // pixels of the shorter side: a picture of twice that is shrunk first
const ENOUGH_PIXELS = 2 ** 23;
const FRACTIONS = [1, 2, 4, 8];
const UNIFORM = 96; // levels: opaque pixels that differ less are all ink, without paper

// Return the grey levels, { data, height, width }, of pixels as a canvas gives them: RGBA, straight alpha.
export function greyOf(pixels) {
  const { data, height, width } = reduced(pixels);
  const colours = onPaper(data, height * width);
  const [red, green, blue] = colours;
  if (same(red, green) && same(green, blue)) return { data: red, height, width };
  const brightness = brightnessOf(colours);
  const few = (band) =>
    resizedBytes(band, height, width, Math.min(64, height), Math.min(64, width), BOX);
  const small = colours.map(few);
  const ranges = small.map(rangeOf);
  const best = Math.max(...ranges);
  const dull = rangeOf(brightnessOf(small)) < 0.5 * best;
  return { data: dull ? colours[ranges.indexOf(best)] : brightness, height, width };
}

const rangeOf = (band) => largest(band) - smallest(band);

function same(one, other) {
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

// As Pillow does it: by ITU-R 601-2, in 16 bits after the point.
function brightnessOf([red, green, blue]) {
  const made = new Uint8Array(red.length);
  for (let at = 0; at < made.length; at++) {
    made[at] = (red[at] * 19595 + green[at] * 38470 + blue[at] * 7471 + 0x8000) >> 16;
  }
  return made;
}

// Lay a transparent picture on paper that its ink stands out from; return red, green and blue.
function onPaper(data, count) {
  const bands = [0, 1, 2, 3].map((band) => {
    const made = new Uint8Array(count);
    for (let at = 0; at < made.length; at++) made[at] = data[4 * at + band];
    return made;
  });
  const alpha = bands.pop();
  if (smallest(alpha) === 255) return bands;
  const brightness = brightnessOf(bands);
  const paper = paperFor(brightness, alpha);
  return bands.map((band) =>
    band.map((value, at) => {
      const sum = value * alpha[at] + paper * (255 - alpha[at]) + 128;
      return ((sum >> 8) + sum) >> 8;
    }),
  );
}

// White for dark ink and black for light, if all that is opaque is of one brightness; else its own paper.
function paperFor(brightness, alpha) {
  const mostly = brightness.filter((_, at) => alpha[at] > 127);
  const levels = mostly.length ? mostly : brightness.filter((_, at) => alpha[at]);
  if (!levels.length) return 255;
  levels.sort();
  const [dark, paper, light] = [5, 50, 95].map((percent) => {
    const place = (percent / 100) * (levels.length - 1);
    const [below, above] = [levels[Math.floor(place)], levels[Math.ceil(place)]];
    return below + (above - below) * (place % 1);
  });
  if (light - dark > UNIFORM) return round(paper);
  return paper < 128 ? 255 : 0;
}

// Return by how much a picture of this size is shrunk: 1, not at all, 2, 4 or 8.
function fractionOf(height, width) {
  const spared = Math.max(Math.floor(Math.min(height, width) / ENOUGH_SIDE), 1);
  const bySide = Math.max(...FRACTIONS.filter((fraction) => fraction <= spared));
  const small = FRACTIONS.find((fraction) => width * height <= ENOUGH_PIXELS * fraction ** 2);
  return Math.max(bySide, small ?? FRACTIONS.at(-1));
}

// Shrink a very large picture by averaging squares of its pixels.
function reduced(pixels) {
  const { data, height, width } = pixels;
  const step = fractionOf(height, width);
  if (step === 1) return pixels;
  const [newHeight, newWidth] = [Math.ceil(height / step), Math.ceil(width / step)];
  const made = new Uint8Array(4 * newHeight * newWidth);
  for (let at = 0; at < made.length; at++) {
    const [place, band] = [at >> 2, at & 3];
    const [top, left] = [Math.floor(place / newWidth) * step, (place % newWidth) * step];
    const [bottom, right] = [Math.min(top + step, height), Math.min(left + step, width)];
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) sum += data[4 * (y * width + x) + band];
    }
    const area = (bottom - top) * (right - left);
    made[at] = Math.floor((sum + area / 2) / area);
  }
  return { data: made, height: newHeight, width: newWidth };
}
