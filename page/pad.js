// The drawing pad: what is drawn, opened, pasted or dropped becomes one picture, which is sent.
// gr.HTML runs this as the body of a function of `element`, `props`, `trigger` and `upload`.

const SIDE = 784; // pixels of the canvas, 28 a pixel of MNIST's field
const BRUSH = SIDE / 14;
const PAPER = "#ffffff";
const INK = "#000000";
const PATIENCE = 10; // seconds without an answer, until that is said
const NO_ANSWER = "No answer yet: the program is busy, or has ended. Reload the page if none comes.";

const paper = element.querySelector(".pad-paper");
const canvas = element.querySelector("canvas");
const input = element.querySelector("input[type=file]");
const status = element.querySelector(".pad-status");
const context = canvas.getContext("2d");

let strokes = []; // each an array of points [x, y] in pixels of the canvas
let opened = null; // a canvas with the picture that was opened, instead of strokes
let drawing = null; // the id of the pointer that draws the last stroke
let latest = 0; // counts what was sent: an earlier one that arrives later is dropped

function say(text) {
  status.textContent = text;
}

function paint() {
  context.fillStyle = PAPER;
  context.fillRect(0, 0, SIDE, SIDE);
  if (opened) context.drawImage(opened, 0, 0);
  context.strokeStyle = context.fillStyle = INK;
  context.lineWidth = BRUSH;
  context.lineCap = context.lineJoin = "round";
  strokes.forEach(paintStroke);
  const empty = !opened && !strokes.length;
  paper.classList.toggle("empty", empty);
  for (const action of ["undo", "clear"]) {
    // Not `disabled`: that would take the keyboard's focus away.
    button(action).setAttribute("aria-disabled", String(empty));
  }
}

function paintStroke(points) {
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const [nextX, nextY] = points[i + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(...points[points.length - 1]); // of one point this is a dot
  context.stroke();
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
  drawing = event.pointerId;
  latest += 1; // an answer to what is no longer there is not wanted
  opened = null;
  strokes.push([pointOf(event)]);
  say("");
  paint();
}

function move(event) {
  if (event.pointerId !== drawing) return;
  const between = event.getCoalescedEvents?.() ?? [];
  for (const each of between.length ? between : [event]) strokes.at(-1).push(pointOf(each));
  paint();
}

function end(event) {
  if (event.pointerId !== drawing) return;
  drawing = null;
  sendDrawing();
}

function undo() {
  opened = null;
  strokes.pop();
  say("");
  paint();
  strokes.length ? sendDrawing() : sendNothing();
}

function clear() {
  opened = null;
  strokes = [];
  drawing = null;
  say("");
  paint();
  sendNothing();
}

function hand(file, turn) {
  props.value = { file, turn };
  trigger("input");
}

// Say so if what was sent stays without an answer, until it has one or is no longer the latest.
async function expectAnswer(turn) {
  for (let waited = 1; turn === latest && element.isConnected; waited++) {
    await new Promise((done) => setTimeout(done, 1000));
    if (turn !== latest) return;
    if (document.querySelector(`[data-turn="${turn}"]`)) {
      if (status.textContent === NO_ANSWER) say("");
      return;
    }
    if (waited === PATIENCE) say(NO_ANSWER);
  }
}

function sendNothing() {
  const turn = ++latest;
  hand(null, turn);
  expectAnswer(turn);
}

async function sendDrawing() {
  const turn = ++latest;
  expectAnswer(turn);
  const content = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await send(new File([content], "drawing.png", { type: "image/png" }), turn);
}

async function send(file, turn) {
  if (turn !== latest) return;
  try {
    const { path } = await upload(file);
    if (turn !== latest) return;
    hand({ path, meta: { _type: "gradio.FileData" } }, turn);
  } catch {
    if (turn !== latest) return;
    latest += 1; // no answer is to be expected
    say("The picture could not be sent. Is the program still running?");
  }
}

async function open(file) {
  if (file.size > props.max_bytes) {
    say(`${file.name} is ${megabytes(file.size)}: at most ${megabytes(props.max_bytes)} is accepted.`);
    return;
  }
  const turn = ++latest;
  strokes = [];
  drawing = null;
  say("");
  expectAnswer(turn);
  opened = await preview(file);
  if (turn !== latest) return;
  paint();
  await send(file, turn);
}

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "")} MB`;
}

// Return a canvas with the picture, or with the file's name where the browser cannot or, for
// its size, should not decode it. Whether it can be read is for the server to say.
async function preview(file) {
  const sheet = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const brush = sheet.getContext("2d");
  const image = new Image();
  image.src = URL.createObjectURL(file);
  const loaded = await new Promise((done) => {
    image.onload = () => done(image.naturalWidth * image.naturalHeight <= props.max_pixels);
    image.onerror = () => done(false);
  });
  if (loaded) {
    const scale = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    brush.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  } else {
    brush.font = "40px system-ui, sans-serif";
    brush.textAlign = "center";
    brush.fillStyle = "#555555";
    brush.fillText(file.name, SIDE / 2, SIDE / 2, SIDE - 80);
  }
  URL.revokeObjectURL(image.src);
  return sheet;
}

function openFirst(files, otherwise) {
  const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
  file ? open(file) : say(otherwise);
}

function button(action) {
  return element.querySelector(`[data-action=${action}]`);
}

canvas.addEventListener("pointerdown", begin);
canvas.addEventListener("pointermove", move);
canvas.addEventListener("pointerup", end);
canvas.addEventListener("pointercancel", end);
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

button("undo").addEventListener("click", () => strokes.length || opened ? undo() : undefined);
button("clear").addEventListener("click", () => strokes.length || opened ? clear() : undefined);
button("open").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  openFirst(input.files, "No file was chosen.");
  input.value = ""; // so that the same file can be opened again
});

element.addEventListener("dragover", (event) => {
  event.preventDefault();
  paper.classList.add("dropping");
});
element.addEventListener("dragleave", () => paper.classList.remove("dropping"));
element.addEventListener("drop", (event) => {
  event.preventDefault();
  paper.classList.remove("dropping");
  openFirst(event.dataTransfer.files, "Only a picture file can be dropped here.");
});

const whileShown = new AbortController();
const listen = (name, act) =>
  document.addEventListener(
    name,
    (event) => (element.isConnected ? act(event) : whileShown.abort()),
    { signal: whileShown.signal },
  );
listen("paste", (event) => {
  openFirst(event.clipboardData.files, "The clipboard holds no picture.");
});
listen("keydown", (event) => {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
  event.preventDefault();
  button("undo").click();
});

paint();
