// Scaling as Pillow does it: filters of a support that grows as a picture shrinks, across and then
// down; in whole numbers for bytes, with 22 bits after the point.

const PRECISION = 2 ** 22;

function box(x) {
  return x > -0.5 && x <= 0.5 ? 1 : 0;
}

function cubic(x) {
  // Keys (1981), with a = -0.5
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

export const BOX = { weigh: box, support: 0.5 };
export const CUBIC = { weigh: cubic, support: 2 };

// Return for each pixel of the new length where its sum begins, and the weights of its sum.
function weights(length, newLength, { weigh, support }) {
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length: newLength }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), length);
    const found = [];
    let sum = 0;
    for (let x = first; x < end; x++) {
      const weight = weigh((x - centre + 0.5) * (1 / stretch));
      found.push(weight);
      sum += weight;
    }
    return { first, found: sum ? found.map((weight) => weight / sum) : found };
  });
}

// Scale bytes of one channel.
export function resizedBytes(data, height, width, newHeight, newWidth, filter) {
  const whole = (weight) => Math.trunc(weight * PRECISION + (weight < 0 ? -0.5 : 0.5));
  const byte = (sum) => Math.min(255, Math.max(0, Math.floor((sum + PRECISION / 2) / PRECISION)));
  return scaled(data, height, width, newHeight, newWidth, filter, whole, byte, Uint8Array);
}

// Scale floats of one channel.
export function resizedFloats(data, height, width, newHeight, newWidth, filter) {
  const same = (value) => value;
  return scaled(data, height, width, newHeight, newWidth, filter, same, same, Float32Array);
}

function scaled(data, height, width, newHeight, newWidth, filter, whole, end, Kind) {
  const taken = (length, newLength) =>
    weights(length, newLength, filter).map(({ first, found }) => ({ first, found: found.map(whole) }));
  if (newWidth !== width) {
    const across = new Kind(height * newWidth);
    taken(width, newWidth).forEach(({ first, found }, x) => {
      for (let y = 0; y < height; y++) {
        let at = y * width + first;
        let sum = 0;
        for (let place = 0; place < found.length; place++) sum += data[at++] * found[place];
        across[y * newWidth + x] = end(sum);
      }
    });
    data = across;
  }
  if (newHeight === height) return data;
  const down = new Kind(newHeight * newWidth);
  taken(height, newHeight).forEach(({ first, found }, y) => {
    for (let x = 0; x < newWidth; x++) {
      let at = first * newWidth + x;
      let sum = 0;
      for (let place = 0; place < found.length; place++) {
        sum += data[at] * found[place];
        at += newWidth;
      }
      down[y * newWidth + x] = end(sum);
    }
  });
  return down;
}
