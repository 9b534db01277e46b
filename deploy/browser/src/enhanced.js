// The `enhanced` method: whatever a person sends, as MNIST's makers would have prepared it.
// enhanced.py has the same steps under the same names, and says why they are as they are.

import { boxOf, count, cut, floats, largest, mapped, percentiles, put, round, smallest } from "./arrays.js";
import { PAPER_SIDE, flatInk } from "./flat_paper.js";
import { LEAST, MOST, extremes, fitted, grown, resized, running, smoothed } from "./image_filters.js";
import { connectedParts, digitParts, sideOf } from "./ink_parts.js";
import { BOX as AVERAGE, resizedBytes } from "./resampling.js";

export const SIDE = 28; // of MNIST's field, pixels
const WORKING_SIDE = 224;
const FINE = 4;
const [FIELD, BOX] = [FINE * SIDE, FINE * 20];
const CENTRE_OF_MASS = FINE * 14 + (FINE - 1) / 2;
const RIM = (FIELD - BOX) / 2;

const FAINTEST_RANGE = 16;
const FAINTEST_INK = 0.06;
const EDGE = 0.03;
const LARGE_PART = 0.05;
const SHARP = 0.4;
const MARGIN = 0.05;
const NOISE_PEAK = 8;
const INK_SHARE = 0.25;
const [THINNEST_STROKE, THIN_STROKE, THICKEST_STROKE] = [5.8, 6.8, 12.5];

// The picture holds nothing that could be a digit: a blank or evenly noisy page.
export class NoInk extends Error {
  constructor() {
    super("No ink: the picture looks blank. Show one digit that stands out from its background.");
  }
}

// Bring grey bytes, { data, height, width }, to MNIST form: 28x28 floats in [0, 1]. Returns { image, box },
// the box that the digit was found in, in shares of the picture. Throws NoInk.
export function enhance(grey) {
  const shrunk = shrink(grey);
  const range = Math.fround(largest(shrunk.data) - smallest(shrunk.data));
  if (Math.fround(range * 255) < FAINTEST_RANGE) throw new NoInk();
  let ink = windowed(flatInk(shrunk));
  let { labels, parts } = findDigit(ink);
  const seen = closer(grey, parts, sideOfInk(ink));
  if (seen) {
    const [left, top, right, bottom] = seen;
    ink = windowed(flatInk(shrink(cut(grey, top, left, bottom, right))));
    ({ labels, parts } = findDigit(ink));
  }
  const image = centred(mendStroke(inBox(cutOut(ink, labels, parts))));
  return { image, box: shares(jointBox(parts), ink, seen ?? [0, 0, grey.width, grey.height], grey) };
}

function shares(found, ink, seen, grey) {
  const [wide, high] = [(seen[2] - seen[0]) / ink.width, (seen[3] - seen[1]) / ink.height];
  return {
    left: (seen[0] + found[0] * wide) / grey.width,
    top: (seen[1] + found[1] * high) / grey.height,
    right: (seen[0] + found[2] * wide) / grey.width,
    bottom: (seen[1] + found[3] * high) / grey.height,
  };
}

// Return the picture as floats in [0, 1], its longer side at most WORKING_SIDE.
function shrink({ data, height, width }) {
  const [newHeight, newWidth] = fitted(height, width, WORKING_SIDE);
  const bytes = resizedBytes(data, height, width, newHeight, newWidth, AVERAGE);
  return mapped({ data: bytes, height: newHeight, width: newWidth }, (level) => level / 255);
}

// Cut ink to the window that holds it and a margin. height, width: of the whole picture.
function windowed(ink) {
  const { height, width } = ink;
  const whole = { pixels: ink, left: 0, top: 0, height, width };
  if (Math.max(height, width) <= PAPER_SIDE) return whole;
  const box = boxOf(ink);
  if (!box) throw new NoInk();
  const margin = Math.trunc(MARGIN * Math.max(height, width));
  const [left, top] = [Math.max(box[0] - margin, 0), Math.max(box[1] - margin, 0)];
  const [right, bottom] = [Math.min(box[2] + margin, width), Math.min(box[3] + margin, height)];
  return { ...whole, pixels: cut(ink, top, left, bottom, right), left, top };
}

const sideOfInk = (ink) => Math.max(ink.height, ink.width);

// Return labels of the window's connected ink, and the parts that make the digit.
function findDigit(ink) {
  const side = sideOfInk(ink);
  const smooth = smoothed(ink.pixels, side > 100 ? 0.004 * side : 0);
  const [low, paper, high] = percentiles(smooth.data, [10, 25, 40], ink.height * ink.width);
  const noise = side > 2 * SIDE ? (high - low) / 1.03 : 0;
  const contrast = largest(smooth.data) - paper;
  const least = Math.max(FAINTEST_INK, NOISE_PEAK * noise);
  if (contrast < least || !hasEdge(smooth, Math.max(1, round(EDGE * side)), least)) throw new NoInk();
  const threshold = Math.fround(paper + Math.max(INK_SHARE * contrast, 4 * noise));
  const dark = mapped(smooth, (value) => Number(value > threshold), Uint8Array);
  const { labels, parts } = connectedParts(dark, ink.pixels, ink.left, ink.top);
  const chosen = digitParts(sharpParts(smooth, ink, labels, parts), ink.height, ink.width);
  if (!chosen.length) throw new NoInk();
  return { labels, parts: chosen };
}

// Leave out parts whose edges are soft beside the sharpest: the remains of shadows.
function sharpParts(smooth, ink, labels, parts) {
  const side = sideOfInk(ink);
  if (side <= PAPER_SIDE || Math.min(ink.height, ink.width) < 2 || parts.length < 2) return parts;
  const slope = slopes(smoothed(smooth, 0.006 * side));
  const sharpness = new Map(
    parts.map((part) => {
      const found = [];
      for (let y = part.top - ink.top; y < part.bottom - ink.top; y++) {
        for (let x = part.left - ink.left; x < part.right - ink.left; x++) {
          const at = y * labels.width + x;
          if (labels.data[at] === part.label) found.push(slope[at]);
        }
      }
      return [part, percentiles(found, [90])[0]];
    }),
  );
  const large = parts.filter((part) => sideOf(part) >= LARGE_PART * side);
  const sharpest = Math.max(...(large.length ? large : parts).map((part) => sharpness.get(part)));
  return parts.filter((part) => sharpness.get(part) >= SHARP * sharpest);
}

// Return how steep an array is at each of its pixels.
function slopes({ data, height, width }) {
  const made = new Float32Array(data.length);
  const steep = (low, high, apart) => Math.fround(Math.fround(data[high] - data[low]) / apart);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const [up, low] = [y > 0 ? width : 0, y < height - 1 ? width : 0];
      const [left, right] = [x > 0 ? 1 : 0, x < width - 1 ? 1 : 0];
      const down = steep(at - up, at + low, (up + low) / width);
      const across = steep(at - left, at + right, left + right);
      made[at] = Math.sqrt(Math.fround(Math.fround(down * down) + Math.fround(across * across)));
    }
  }
  return made;
}

// Tell if ink changes by `least` or more within `step` pixels, the width of an edge.
function hasEdge({ data, height, width }, step, least) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const down = y + step < height ? data[at + step * width] - data[at] : 0;
      const across = x + step < width ? data[at + step] - data[at] : 0;
      if (Math.abs(Math.fround(down)) >= least || Math.abs(Math.fround(across)) >= least) return true;
    }
  }
  return false;
}

function jointBox(parts) {
  return [
    Math.min(...parts.map((part) => part.left)),
    Math.min(...parts.map((part) => part.top)),
    Math.max(...parts.map((part) => part.right)),
    Math.max(...parts.map((part) => part.bottom)),
  ];
}

// Return the surroundings in a large picture of a digit that was lost in shrinking, or null.
function closer(grey, parts, foundAt) {
  const scale = Math.max(grey.height, grey.width) / foundAt;
  const [left, top, right, bottom] = jointBox(parts);
  const side = Math.max(right - left, bottom - top);
  if (scale <= 1 || side >= BOX) return null;
  const margin = 0.6 * side;
  return [
    Math.max(0, Math.trunc((left - margin) * scale)),
    Math.max(0, Math.trunc((top - margin) * scale)),
    Math.min(grey.width, Math.trunc((right + margin) * scale)),
    Math.min(grey.height, Math.trunc((bottom + margin) * scale)),
  ];
}

// Return the ink in the digit's box, with all that is not the digit wiped out.
function cutOut(ink, labels, parts) {
  const softEdge = Math.max(3, 2 * round(0.01 * sideOfInk(ink)) + 1);
  const [left, top, right, bottom] = jointBox(parts);
  const box = [top - ink.top, left - ink.left, bottom - ink.top, right - ink.left];
  const pixels = cut(ink.pixels, ...box);
  const wanted = new Set(parts.map((part) => part.label));
  const strokes = mapped(cut(labels, ...box), (label) => Number(wanted.has(label)), Uint8Array);
  const level = percentiles(pixels.data.filter((_, at) => strokes.data[at]), [75])[0];
  const kept = running(strokes, softEdge, MOST);
  const full = Math.fround(Math.max(level, 1e-3));
  return mapped(pixels, (value, at) => Math.min((value * kept.data[at]) / full, 1));
}

// Scale a digit of any size to fit the box with its aspect, in the middle of the field.
function inBox(digit) {
  const [height, width] = fitted(digit.height, digit.width, BOX, true);
  const field = floats(FIELD, FIELD);
  const [top, left] = [Math.floor((FIELD - height) / 2), Math.floor((FIELD - width) / 2)];
  put(resized(digit, height, width), field, top, left);
  return field;
}

// Estimate the stroke's width in pixels: twice the area of the ink over its outline.
function strokeWidth(field) {
  const solid = mapped(field, (value) => Number(value > 0.5), Uint8Array).data;
  const inside = extremes(extremes(solid, 3, field.width, LEAST), 3, 1, LEAST);
  const [area, within] = [count(solid), count(inside)];
  return (2 * area) / Math.max(area - within, 1);
}

// Thicken hairlines and thin markers until the stroke is as wide as in MNIST.
function mendStroke(field) {
  let width = strokeWidth(field);
  if (width < THINNEST_STROKE) {
    field = mapped(field, (value) => Math.min(2 * value, 1));
    width = strokeWidth(field);
  }
  if (width >= THINNEST_STROKE && width <= THICKEST_STROKE) return field;
  const thin = width < THINNEST_STROKE;
  const steps = thin ? Math.ceil((THIN_STROKE - width) / 2) : round((width - THICKEST_STROKE) / 2);
  for (let step = 0; step < steps; step++) field = grown(field, thin ? MOST : LEAST, step % 2 === 1);
  const solid = Math.fround(0.3);
  const box = boxOf(mapped(field, (value) => Number(value > solid), Uint8Array));
  if (!box) throw new NoInk();
  const [left, top, right, bottom] = box;
  return inBox(cut(field, top, left, bottom, right));
}

// Move the centre of mass to the centre of the field and shrink it to 28x28.
function centred(field) {
  const box = cut(field, RIM, RIM, RIM + BOX, RIM + BOX);
  const [rows, columns] = [new Float64Array(BOX), new Float64Array(BOX)];
  box.data.forEach((value, at) => {
    rows[Math.floor(at / BOX)] += value;
    columns[at % BOX] += value;
  });
  const [low, right] = [offCentre(rows), offCentre(columns)];
  const sums = new Float64Array(SIDE * SIDE);
  box.data.forEach((value, at) => {
    const y = Math.floor((RIM + Math.floor(at / BOX) - low) / FINE);
    const x = Math.floor((RIM + (at % BOX) - right) / FINE);
    if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) sums[y * SIDE + x] += value / FINE ** 2;
  });
  const image = Float32Array.from(sums);
  const most = Math.fround(Math.max(largest(image), 1e-3));
  return { data: image.map((value) => value / most), height: SIDE, width: SIDE };
}

// Return by how many pixels the centre of the masses lies off that of MNIST's digits.
function offCentre(masses) {
  let [sum, moment] = [0, 0];
  masses.forEach((value, at) => {
    const mass = Math.fround(value);
    sum += mass;
    moment += mass * (RIM + at - CENTRE_OF_MASS);
  });
  return round(Math.round((moment / sum) * 1e5) / 1e5);
}
