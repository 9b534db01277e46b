// Arrays of two dimensions, { data, height, width }, and the few sums that Python does its own way.
// A Float32Array rounds what is put into it, so one operation a statement is numpy's float32.

export function floats(height, width) {
  return { data: new Float32Array(height * width), height, width };
}

export function mask(height, width) {
  return { data: new Uint8Array(height * width), height, width };
}

// Return an array of the same shape, each value made of that of another array.
export function mapped(array, make, Kind = Float32Array) {
  const { data, height, width } = array;
  const made = new Kind(data.length);
  for (let at = 0; at < made.length; at++) made[at] = make(data[at], at);
  return { data: made, height, width };
}

// Round halves to the even number, as Python's round does.
export function round(value) {
  const low = Math.floor(value);
  const over = value - low;
  if (over === 0.5) return low % 2 === 0 ? low : low + 1;
  return over < 0.5 ? low : low + 1;
}

export function largest(data) {
  let most = -Infinity;
  for (let at = 0; at < data.length; at++) if (data[at] > most) most = data[at];
  return most;
}

export function smallest(data) {
  let least = Infinity;
  for (let at = 0; at < data.length; at++) if (data[at] < least) least = data[at];
  return least;
}

export function count(data) {
  let found = 0;
  for (let at = 0; at < data.length; at++) if (data[at]) found++;
  return found;
}

// Return rows and columns from top and left to bottom and right, which are open.
export function cut(array, top, left, bottom, right) {
  const [height, width] = [bottom - top, right - left];
  const data = new array.data.constructor(height * width);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * array.width + left;
    data.set(array.data.subarray(start, start + width), y * width);
  }
  return { data, height, width };
}

// Put an array into a larger one.
export function put(array, into, top, left) {
  for (let y = 0; y < array.height; y++) {
    const line = array.data.subarray(y * array.width, (y + 1) * array.width);
    into.data.set(line, (top + y) * into.width + left);
  }
}

export function transposed(array) {
  const { data, height, width } = array;
  const turned = new data.constructor(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) turned[x * height + y] = data[y * width + x];
  }
  return { data: turned, height: width, width: height };
}

// Return left, top, right, bottom around all that is not 0, or null.
export function boxOf({ data, height, width }) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!data[y * width + x]) continue;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
      if (y < top) top = y;
      bottom = y + 1;
    }
  }
  return bottom ? [left, top, right, bottom] : null;
}

// Return percentiles of values. size: of a larger array, 0 or more, of which these are all above 0.
export function percentiles(data, percents, size = data.length) {
  const ordered = Float32Array.from(data).sort();
  const last = size - 1;
  const level = (place) => {
    const at = Math.min(place, last) - (size - ordered.length);
    return at >= 0 ? ordered[at] : 0;
  };
  return percents.map((percent) => {
    const place = (percent / 100) * last;
    const [below, above] = [level(Math.floor(place)), level(Math.floor(place) + 1)];
    return below + Math.fround(above - below) * (place % 1);
  });
}
