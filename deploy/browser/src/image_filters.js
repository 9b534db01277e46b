// Filters of grey arrays: scaled, blurred, and the running extremes of morphology.
// image_filters.py has the same under the same names, and says why they are as they are.

import { floats, round } from "./arrays.js";
import { BOX, CUBIC, resizedFloats } from "./resampling.js";

const SMALL_PRODUCT = 2 ** 18; // up to here Python enlarges by matrices
const LONG_BLUR = 5;

export const MOST = "most";
export const LEAST = "least";

// Return [height, width] of a shape scaled to a longer side of at most `side`.
export function fitted(height, width, side, enlarge = false) {
  const factor = side / Math.max(height, width);
  if (factor >= 1 && !enlarge) return [height, width];
  return [Math.max(1, round(height * factor)), Math.max(1, round(width * factor))];
}

function clipped(array) {
  for (let i = 0; i < array.data.length; i++) {
    array.data[i] = Math.min(Math.max(array.data[i], 0), 1);
  }
  return array;
}

// Scale floats to another shape: averaging when smaller, cubic when larger.
export function resized(array, newHeight, newWidth) {
  const { data, height, width } = array;
  if (height === newHeight && width === newWidth) return array;
  const smaller = newHeight < height;
  const [down, across] = [Math.floor(height / newHeight), Math.floor(width / newWidth)];
  if (smaller && down === across && newHeight === height / down && newWidth === width / down) {
    return averaged(array, down);
  }
  const small = height * newHeight * newWidth <= SMALL_PRODUCT;
  if (small && newHeight >= height && newWidth >= width) {
    const [rows, columns] = [cubicMatrix(height, newHeight), cubicMatrix(width, newWidth)];
    return clipped(product(rows, productTurned(array, columns)));
  }
  const filter = smaller ? BOX : CUBIC;
  const made = resizedFloats(data, height, width, newHeight, newWidth, filter);
  return clipped({ data: made, height: newHeight, width: newWidth });
}

function averaged({ data, height, width }, step) {
  const made = floats(height / step, width / step);
  const rows = new Float32Array(width);
  for (let y = 0; y < made.height; y++) {
    rows.set(data.subarray(y * step * width, (y * step + 1) * width));
    for (let more = 1; more < step; more++) {
      const start = (y * step + more) * width;
      for (let x = 0; x < width; x++) rows[x] += data[start + x];
    }
    for (let x = 0; x < made.width; x++) {
      let sum = rows[x * step];
      for (let more = 1; more < step; more++) sum = Math.fround(sum + rows[x * step + more]);
      made.data[y * made.width + x] = sum / (step * step);
    }
  }
  return made;
}

function cubicMatrix(length, longer) {
  const made = floats(longer, length);
  for (let y = 0; y < longer; y++) {
    const centre = (y + 0.5) * (length / longer) - 0.5;
    const weights = Array.from({ length }, (_, at) => {
      const x = Math.abs(at - centre);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    made.data.set(weights.map((weight) => weight / sum), y * length);
  }
  return made;
}

// Return the matrix product of two arrays; sums are of 64 bits, numpy's of 32.
export function product(one, other) {
  const made = floats(one.height, other.width);
  const sums = new Float64Array(other.width);
  for (let y = 0; y < one.height; y++) {
    sums.fill(0);
    for (let k = 0; k < one.width; k++) {
      const weight = one.data[y * one.width + k];
      if (!weight) continue;
      for (let x = 0; x < other.width; x++) sums[x] += weight * other.data[k * other.width + x];
    }
    made.data.set(sums, y * other.width);
  }
  return made;
}

// Return the product of an array and another one's transpose.
function productTurned(one, other) {
  const made = floats(one.height, other.height);
  for (let x = 0; x < other.height; x++) {
    for (let y = 0; y < one.height; y++) {
      let sum = 0;
      for (let k = 0; k < one.width; k++) {
        sum += one.data[y * one.width + k] * other.data[x * other.width + k];
      }
      made.data[y * made.width + x] = sum;
    }
  }
  return made;
}

// Blur by a Gaussian of this deviation in pixels; edges are repeated.
export function smoothed(array, deviation) {
  const reach = blurReach(deviation);
  if (reach < 1) return array;
  const kernel = gaussian(deviation);
  const { height, width } = array;
  if (reach > LONG_BLUR) {
    const down = product(blurMatrix(height, kernel), array);
    return productTurned(down, blurMatrix(width, kernel));
  }
  const edged = framed(array, reach, reach);
  const down = weighed(edged.data, kernel, edged.width);
  return lines(weighed(down, kernel, 1), height, width, edged.width);
}

// Return how many pixels to either side a blur takes in.
export function blurReach(deviation) {
  return Math.ceil(2.5 * deviation);
}

function gaussian(deviation) {
  const reach = blurReach(deviation);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, at) =>
    Math.exp(-0.5 * ((at - reach) / deviation) ** 2),
  );
  const sum = kernel.reduce((total, weight) => total + weight, 0);
  return Float32Array.from(kernel, (weight) => weight / sum);
}

function blurMatrix(length, kernel) {
  const reach = (kernel.length - 1) / 2;
  const made = floats(length, length);
  for (let row = 0; row < length; row++) {
    kernel.forEach((weight, at) => {
      const column = Math.min(Math.max(row + at - reach, 0), length - 1);
      made.data[row * length + column] += weight;
    });
  }
  return made;
}

function weighed(flat, kernel, step) {
  const reach = (kernel.length - 1) / 2;
  const made = new Float32Array(flat.length - 2 * reach * step);
  for (let i = 0; i < made.length; i++) made[i] = kernel[reach] * flat[reach * step + i];
  for (let place = 0; place < reach; place++) {
    const [weight, other] = [kernel[place], (2 * reach - place) * step];
    for (let i = 0; i < made.length; i++) {
      const pair = Math.fround(flat[place * step + i] + flat[other + i]);
      made[i] += Math.fround(pair * weight);
    }
  }
  return made;
}

// Take the most or least over a square window; edges are repeated.
export function running(array, side, choose) {
  const before = Math.floor(side / 2);
  const edged = framed(array, before, side - 1 - before);
  const down = extremes(edged.data, side, edged.width, choose);
  return lines(extremes(down, side, 1, choose), array.height, array.width, edged.width);
}

// Take the most or least of each `side` of values that are `step` apart.
export function extremes(flat, side, step, choose) {
  for (let done = 1; done < side; ) {
    const more = Math.min(done, side - done);
    flat = chosen(flat, more * step, choose);
    done += more;
  }
  return flat;
}

// Return the more or less of each value and the one that is so many places after it.
function chosen(flat, apart, choose) {
  const made = new flat.constructor(flat.length - apart);
  if (choose === MOST) {
    for (let i = 0; i < made.length; i++) {
      const [one, other] = [flat[i], flat[i + apart]];
      made[i] = one > other ? one : other;
    }
  } else {
    for (let i = 0; i < made.length; i++) {
      const [one, other] = [flat[i], flat[i + apart]];
      made[i] = one < other ? one : other;
    }
  }
  return made;
}

function lines(flat, height, width, apart) {
  const data = new flat.constructor(height * width);
  for (let y = 0; y < height; y++) {
    data.set(flat.subarray(y * apart, y * apart + width), y * width);
  }
  return { data, height, width };
}

function framed(array, before, after) {
  const [height, width] = [array.height + before + after, array.width + before + after];
  const data = new array.data.constructor(height * width);
  for (let y = 0; y < height; y++) {
    const from = Math.min(Math.max(y - before, 0), array.height - 1) * array.width;
    const line = array.data.subarray(from, from + array.width);
    const to = y * width;
    data.set(line, to + before);
    data.fill(line[0], to, to + before);
    data.fill(line[array.width - 1], to + before + array.width, to + width);
  }
  return { data, height, width };
}

// Take the most or least over each pixel and its four neighbours, or all eight. The rim is empty.
export function grown(field, choose, square) {
  const { data, height, width } = field;
  const made = floats(height, width);
  const around = square
    ? [-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1]
    : [-width, -1, 1, width];
  for (let i = width + 1; i < data.length - width - 1; i++) {
    let found = data[i];
    for (const step of around) {
      const other = data[i + step];
      if (choose === MOST ? other > found : other < found) found = other;
    }
    made.data[i] = found;
  }
  return made;
}
