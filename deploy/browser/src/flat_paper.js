// Ink told from paper: polarity, uneven light, hard shadows, a sheet on a desk: see flat_paper.py.

import { cut, largest, mapped, percentiles, round, smallest, count } from "./arrays.js";
import { LEAST, MOST, blurReach, fitted, resized, running, smoothed } from "./image_filters.js";
import { connectedParts } from "./ink_parts.js";

export const PAPER_SIDE = 56;
const WIDEST_STROKE = 12;
const SHADOW_EDGE = 0.3;
const LEAST_SHEET = 0.3;
const MOST_MARKS = 0.25;
const FOUR_SIDED = 0.85;
const ROUNDING = Math.fround(1e-5);
const DARKEST_PAPER = Math.fround(0.3);

const longer = (array) => Math.max(array.height, array.width);
const maskOf = (array, test) => mapped(array, (value) => Number(test(value)), Uint8Array);
const everywhere = (array) => array.data.every(Boolean);

// Return how much ink covers each pixel, in [0, 1], whatever paper and light.
export function flatInk(grey) {
  let small = resized(grey, ...fitted(grey.height, grey.width, PAPER_SIDE));
  if (isLightOnDark(small)) {
    const ground = groundAroundSheet(small);
    if (ground) [grey, small] = withoutGround(grey, small, ground);
    else [grey, small] = [grey, small].map((array) => mapped(array, (value) => 1 - value));
  }
  const reach = Math.min(round(0.4 * longer(small)), WIDEST_STROKE);
  if (reach < 2) return mapped(grey, (value) => 1 - value);
  const lightest = largest(grey.data);
  const nearly = Math.fround(lightest - ROUNDING);
  const clean = maskOf(small, (value) => value > nearly);
  let paper = smoothPaper(grey, small, clean, reach, lightest);
  if (small.height !== grey.height || small.width !== grey.width) {
    const shadowed = shadowedPaper(grey, small, clean, reach, lightest);
    paper = mapped(paper, (value, at) => Math.min(value, shadowed.data[at]));
  }
  return mapped(paper, (value, at) => {
    const ink = Math.fround(value - grey.data[at]) / Math.max(value, DARKEST_PAPER);
    return Math.min(Math.max(ink, 0), 1);
  });
}

function smoothPaper(grey, small, clean, reach, lightest) {
  if (everywhere(running(clean, reach, MOST))) return mapped(grey, () => lightest);
  return resized(smoothed(closed(small, reach), reach / 3), grey.height, grey.width);
}

function shadowedPaper(grey, small, clean, narrow, lightest) {
  const enlarged = longer(grey) / longer(small);
  const [deviation, reach] = [SHADOW_EDGE * enlarged, round(1.5 * narrow * enlarged)];
  const around = Math.ceil(blurReach(deviation) / Math.trunc(enlarged));
  const calm = running(clean, 2 * around + 1, LEAST);
  if (everywhere(running(calm, Math.trunc(reach / enlarged) - 1, MOST))) {
    return mapped(grey, () => lightest);
  }
  return closed(smoothed(grey, deviation), reach);
}

function closed(grey, reach) {
  return running(running(grey, reach, MOST), reach, LEAST);
}

// Return what lies around a bright sheet on a darker ground, a mask, or null.
function groundAroundSheet(small) {
  if (longer(small) < PAPER_SIDE) return null;
  const middle = Math.fround((largest(small.data) + smallest(small.data)) / 2);
  const light = connectedParts(maskOf(small, (value) => value > middle), small);
  if (!light.parts.length) return null;
  const sheet = light.parts.reduce((best, part) => (part.weight > best.weight ? part : best));
  const besides = maskOf(light.labels, (label) => label !== sheet.label);
  const dark = connectedParts(besides, small);
  const { height, width } = small;
  const outside = new Set(
    dark.parts
      .filter((p) => p.left === 0 || p.top === 0 || p.right === width || p.bottom === height)
      .map((part) => part.label),
  );
  const ground = maskOf(dark.labels, (label) => outside.has(label));
  const whole = ground.data.length - count(ground.data);
  const marks = count(besides.data.map((beside, at) => beside && !ground.data[at]));
  if (whole < LEAST_SHEET * small.data.length || marks <= 0 || marks >= MOST_MARKS * whole) {
    return null;
  }
  return spanOf(ground) > FOUR_SIDED * whole ? ground : null;
}

// Return the area between the outermost corners of what is not ground.
function spanOf(ground) {
  const outermost = [(x, y) => x + y, (x, y) => y - x, (x, y) => -x - y, (x, y) => x - y];
  const corners = outermost.map((side) => {
    let [best, corner] = [Infinity, null];
    ground.data.forEach((covered, at) => {
      const [x, y] = [at % ground.width, Math.floor(at / ground.width)];
      if (!covered && side(x, y) < best) [best, corner] = [side(x, y), [x, y]];
    });
    return corner;
  });
  const area = corners.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = corners[(at + 1) % corners.length];
    return sum + x * nextY - y * nextX;
  }, 0);
  return 0.5 * Math.abs(area);
}

function withoutGround(grey, small, ground) {
  const wide = running(ground, 5, MOST);
  const sheet = small.data.filter((_, at) => !wide.data[at]);
  const level = sheet.length ? Math.fround(percentiles(sheet, [50])[0]) : 1;
  const enough = Math.fround(0.3);
  const large = resized(mapped(wide, Number), grey.height, grey.width);
  return [
    mapped(grey, (value, at) => (large.data[at] > enough ? level : value)),
    mapped(small, (value, at) => (wide.data[at] ? level : value)),
  ];
}

// Tell light ink on dark paper from dark on light: ink is the minority, under any light.
function isLightOnDark(small) {
  const { height, width } = small;
  const middle = Math.fround((largest(small.data) + smallest(small.data)) / 2);
  const dark = maskOf(small, (value) => value < middle);
  const rim = [
    cut(dark, 0, 0, 1, width),
    cut(dark, height - 1, 0, height, width),
    cut(dark, 0, 0, height, 1),
    cut(dark, 0, width - 1, height, width),
  ];
  const onRim = rim.reduce((sum, line) => sum + count(line.data), 0) / (2 * (height + width));
  const darkness = count(dark.data) / dark.data.length + onRim - 1;

  const blurred = smoothed(small, longer(small) / 6);
  const detail = small.data.map((value, at) => value - blurred.data[at]);
  let [sum, squares, cubes] = [0, 0, 0];
  for (const value of detail) {
    const square = Math.fround(value * value);
    sum += value;
    squares += value * value;
    cubes += value * square;
  }
  const [mean, variance, cubic] = [sum, squares, cubes].map((total) => total / detail.length);
  const deviation = Math.sqrt(Math.max(variance - mean * mean, 0));
  const skew = cubic / (deviation ** 3 + 1e-9);
  return darkness + Math.min(Math.max(skew, -1), 1) > 0;
}
