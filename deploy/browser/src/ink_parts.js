// The connected pieces of ink in a picture, and which of them make the digit: see ink_parts.py.

const SMALLEST_DIGIT = 0.02;
const ALIKE = 0.65;
const BESIDE = 1.5;
const NEAR = 0.3;
const WORTH = 0.03;

export function sideOf(part) {
  return Math.max(part.right - part.left, part.bottom - part.top);
}

// Count the edges of a picture that cut a part.
export function edgesOf(part, height, width) {
  return (part.left === 0) + (part.top === 0) + (part.right === width) + (part.bottom === height);
}

function gap(one, other) {
  const across = Math.max(one.left - other.right, other.left - one.right, 0);
  return Math.max(across, one.top - other.bottom, other.top - one.bottom, 0);
}

// Return the parts of a picture that make its digit, the main one first.
export function digitParts(parts, height, width) {
  const halfDiagonal = Math.hypot(width, height) / 2;
  const likeliness = (part) => {
    const [x, y] = [(part.left + part.right - width) / 2, (part.top + part.bottom - height) / 2];
    const nearness = 1 - (0.7 * Math.hypot(x, y)) / halfDiagonal;
    return part.weight * nearness * (edgesOf(part, height, width) ? 0.1 : 1);
  };
  parts = parts.filter((part) => sideOf(part) >= SMALLEST_DIGIT * Math.max(height, width));
  if (parts.length < 2) return parts;
  const [main, ...rest] = [...parts].sort((one, other) => likeliness(other) - likeliness(one));
  const isBorder = (part) => {
    const cuts = edgesOf(part, height, width);
    return cuts > 1 || (cuts === 1 && sideOf(part) > sideOf(main));
  };
  const belongs = (part, other) => {
    if (gap(part, other) <= NEAR * sideOf(main)) return true;
    const heights = [part.bottom - part.top, main.bottom - main.top].sort((a, b) => a - b);
    const shared = Math.min(part.bottom, main.bottom) - Math.max(part.top, main.top);
    const beside = shared >= ALIKE * heights[0] && heights[0] >= ALIKE * heights[1];
    const cutOff = edgesOf(part, height, width);
    return beside && !cutOff && gap(part, other) <= BESIDE * sideOf(main);
  };
  let others = rest.filter((part) => likeliness(part) >= WORTH * likeliness(main) && !isBorder(part));
  let [chosen, reached] = [[main], [main]];
  while (reached.length) {
    const near = others.filter((part) => reached.some((other) => belongs(part, other)));
    others = others.filter((part) => !near.includes(part));
    [chosen, reached] = [[...chosen, ...near], near];
  }
  return chosen;
}

// Label the parts of a mask that hang together, corners included; ink weighs them. left, top: where
// the mask lies in the picture. Returns labels, 0 outside, and the parts in their order, from 1.
export function connectedParts({ data, height, width }, ink, left = 0, top = 0) {
  const labels = new Int32Array(height * width);
  const parent = [0];
  const find = (label) => {
    while (parent[label] !== label) label = parent[label] = parent[parent[label]];
    return label;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!data[at]) continue;
      let found = 0;
      const touch = (other) => {
        if (!other) return;
        other = find(other);
        if (!found) found = other;
        else if (found !== other) {
          const first = Math.min(found, other);
          parent[Math.max(found, other)] = first;
          found = first;
        }
      };
      if (x) touch(labels[at - 1]);
      if (y) {
        if (x) touch(labels[at - width - 1]);
        touch(labels[at - width]);
        if (x < width - 1) touch(labels[at - width + 1]);
      }
      if (!found) {
        found = parent.length;
        parent.push(found);
      }
      labels[at] = found;
    }
  }
  const number = new Int32Array(parent.length);
  const parts = [];
  for (let at = 0; at < labels.length; at++) {
    if (!labels[at]) continue;
    const root = find(labels[at]);
    if (!number[root]) {
      number[root] = parts.length + 1;
      const far = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
      parts.push({ label: number[root], weight: 0, ...far });
    }
    labels[at] = number[root];
    const part = parts[number[root] - 1];
    const [x, y] = [(at % width) + left, Math.floor(at / width) + top];
    part.weight += ink.data[at];
    part.left = Math.min(part.left, x);
    part.right = Math.max(part.right, x + 1);
    part.top = Math.min(part.top, y);
    part.bottom = y + 1;
  }
  return { labels: { data: labels, height, width }, parts };
}
