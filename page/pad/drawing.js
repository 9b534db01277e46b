// The drawing pad: strokes of a mouse, pen or finger, and the paper on which they are seen.
// gr.HTML runs this folder's files, one after the other, as the body of one function of
// `element`, `props`, `server`, `upload` and `trigger`.

const SIDE = 784; // of the paper, 28 a pixel of MNIST's field; the canvas has as many pixels or fewer
const SENT_SIDE = 280; // of what is sent: quick on its way, and more than the model can see
const PAPER = "#ffffff";
const INK = "#000000";

const pad = element.querySelector(".pad");
const paper = element.querySelector(".pad-paper");
const canvas = element.querySelector("canvas");
const brush = element.querySelector(".pad-brush input");
const status = element.querySelector(".pad-status");
const context = canvas.getContext("2d");
const small = Object.assign(document.createElement("canvas"), {
  width: SENT_SIDE,
  height: SENT_SIDE,
}).getContext("2d", { willReadFrequently: true });

let strokes = []; // each { width, points: [[x, y], …] } in parts of the paper's side
let opened = null; // the picture that was opened, instead of strokes; see pictures.js
let drawing = null; // the id of the pointer that draws the last stroke
let frame = 0; // of the animation, in which the paper is painted next

function say(text) {
  status.textContent = text;
}

function button(action) {
  return element.querySelector(`[data-action=${action}]`);
}

function isEmpty() {
  return !opened && !strokes.length;
}

// Paint the paper as it now is, at most once for each time the screen is.
function paint() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    paintOn(context, canvas.width);
    paper.classList.toggle("empty", isEmpty());
    for (const action of ["undo", "clear"]) {
      // Not `disabled`: that would take the keyboard's focus away.
      button(action).setAttribute("aria-disabled", String(isEmpty()));
    }
  });
}

function paintOn(sheet, side) {
  sheet.setTransform(side / SIDE, 0, 0, side / SIDE, 0, 0);
  sheet.fillStyle = PAPER;
  sheet.fillRect(0, 0, SIDE, SIDE);
  if (opened) sheet.drawImage(opened.sheet, 0, 0);
  sheet.strokeStyle = INK;
  sheet.lineCap = sheet.lineJoin = "round";
  for (const stroke of strokes) paintStroke(sheet, stroke);
}

function paintStroke(sheet, { width, points }) {
  sheet.lineWidth = width;
  sheet.beginPath();
  sheet.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const [nextX, nextY] = points[i + 1];
    sheet.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  const [x, y] = points[points.length - 1];
  sheet.lineTo(x + 0.01, y); // a tap is a dot: a line of no length would not be drawn
  sheet.stroke();
}

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * SIDE) / box.width,
    ((event.clientY - box.top) * SIDE) / box.height,
  ];
}

function begin(event) {
  if (drawing !== null || !event.isPrimary || event.button !== 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  if (opened) startAnew();
  drawing = event.pointerId;
  strokes.push({ width: Number(brush.value), points: [pointOf(event)] });
  say("");
  showBox(null);
  outdate();
  paint();
}

function move(event) {
  if (event.pointerId !== drawing) return;
  const between = event.getCoalescedEvents?.() ?? [];
  for (const each of between.length ? between : [event]) strokes.at(-1).points.push(pointOf(each));
  paint();
  ask();
}

function end(event) {
  if (event.pointerId !== drawing) return;
  drawing = null;
  ask();
}

// Take all off the paper; answers to what was there are not wanted any more.
function startAnew() {
  strokes = [];
  opened = null;
  drawing = null;
  forget();
  say("");
  showBox(null);
  paint();
}

function undo() {
  const left = strokes.slice(0, -1);
  startAnew();
  strokes = left;
  ask();
}

function clear() {
  startAnew();
  ask();
}

// Give the canvas as many pixels as the screen shows of it: more only take time to paint.
function fit() {
  const side = Math.min(SIDE, Math.round(canvas.clientWidth * devicePixelRatio));
  if (!side || side === canvas.width) return; // 0: its tab is not shown
  canvas.width = canvas.height = side;
  paintOn(context, side);
}

new ResizeObserver(fit).observe(canvas);
canvas.addEventListener("pointerdown", begin);
canvas.addEventListener("pointermove", move);
canvas.addEventListener("pointerup", end);
canvas.addEventListener("pointercancel", end);
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

button("undo").addEventListener("click", () => isEmpty() || undo());
button("clear").addEventListener("click", () => isEmpty() || clear());

// Listen to the whole document for as long as the pad is there, and while its tab is shown.
const whileThere = new AbortController();
function listen(name, act) {
  const heard = (event) => {
    if (!element.isConnected) whileThere.abort();
    else if (element.checkVisibility()) act(event);
  };
  document.addEventListener(name, heard, { signal: whileThere.signal });
}

listen("keydown", (event) => {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
  event.preventDefault();
  button("undo").click();
});

paint();
