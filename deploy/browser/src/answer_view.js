// An answer as a person reads it: the same HTML as page/answer_view.py makes of it.

const IS_DIGIT = 0.5;
const SURE = 0.95;
const HARD = 0.6;
const POSSIBLE = 0.05;
const SIDE = 28;
const NO_INK = "No ink yet: draw a digit from 0 to 9.";

// Return HTML for an answer and its image, 784 floats in MNIST form.
export function panel(answer, image) {
  const doubtful = isDoubtful(answer);
  const digit = `${answer.digit}${doubtful ? "?" : ""}`;
  const mood = doubtful ? "doubtful" : "";
  return laidOut(mood, digit, words(answer), answer.probabilities, pictureUrl(image), likeness(answer));
}

// Return HTML for no answer: a calm note in place of one.
export function nothing(note = NO_INK) {
  return laidOut("nothing", "?", note, Array(10).fill(null), pictureUrl(new Float32Array(SIDE * SIDE)), "");
}

function isDoubtful(answer) {
  return answer.is_digit < IS_DIGIT;
}

// Put an answer into words, with as much doubt as it deserves.
export function words(answer) {
  const { digit, confidence, top } = answer;
  if (isDoubtful(answer)) return `This does not look like one digit (most like ${digit}).`;
  if (confidence >= SURE) return `This is ${digit}, ${percent(confidence)} sure.`;
  const others = top.slice(1).filter((other) => other.confidence >= POSSIBLE);
  const named = others.length ? others : top.slice(1, 2);
  const couldBe = named.map((other) => other.digit).join(" or ");
  const start = confidence < HARD ? "Hard to tell: most" : "Most";
  return `${start} likely ${digit} (${percent(confidence)}); could be ${couldBe}.`;
}

function likeness({ is_digit: share }) {
  return `Likeness to one digit: ${share < 0.01 ? "under 1%" : percent(share)}`;
}

// Per cent, rounded but never up to 100: no answer is beyond doubt.
export function percent(probability, decimals = 0) {
  return `${Math.min(100 * probability, 100 - 10 ** -decimals).toFixed(decimals)}%`;
}

// White ink on black, as a data URL.
function pictureUrl(image) {
  const sheet = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const target = sheet.getContext("2d");
  const pixels = target.createImageData(SIDE, SIDE);
  image.forEach((share, at) => {
    const level = Math.round(255 * Math.min(Math.max(share, 0), 1));
    pixels.data.set([level, level, level, 255], 4 * at);
  });
  target.putImageData(pixels, 0, 0);
  return sheet.toDataURL("image/png");
}

function escaped(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
  return text.replace(/[&<>"']/g, (letter) => names[letter]);
}

function laidOut(mood, digit, sentence, shares, picture, small) {
  const below = small && `<p class="answer-small">${escaped(small)}</p>`;
  return (
    `<div class="answer ${mood}"><div class="answer-head">` +
    `<p class="answer-digit" aria-hidden="true">${escaped(digit)}</p><div>` +
    `<p class="answer-words" role="status">${escaped(sentence)}</p>${below}</div></div>` +
    '<div class="answer-body">' +
    `<ol class="answer-bars" aria-label="Confidence in each digit">${shares.map(bar).join("")}</ol>` +
    '<figure class="answer-seen">' +
    `<img src="${picture}" alt="The 28 by 28 picture that the model saw" width="140" height="140">` +
    "<figcaption>What the model saw</figcaption></figure></div></div>"
  );
}

function bar(share, digit) {
  const text = share === null ? "" : percent(share, 1);
  const width = `${(100 * (share ?? 0)).toFixed(1)}%`;
  return (
    `<li data-digit="${digit}"><span class="bar-digit">${digit}</span>` +
    `<span class="bar-track" aria-hidden="true"><span class="bar-fill" style="width:${width}"></span></span>` +
    `<span class="bar-share">${text}</span></li>`
  );
}
