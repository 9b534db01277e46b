// Asking for answers: one question at a time, always about the latest, and what comes back shown.
// The events "outdated" and "answered" tell the rest of the page: an answer is settled only while
// the paper is as it was when it was asked about.

const PAUSE = 100; // milliseconds at least between two questions while a stroke is drawn
const PATIENCE = 10_000; // milliseconds without an answer, until that is said
const NO_ANSWER = "No answer yet: the program is busy, or has ended. Reload the page if none comes.";
const NOT_SENT = "The picture could not be sent. Is the program still running?";

const box = element.querySelector(".pad-box");

let turn = {}; // stands for what is on the paper; its `forgotten` is called when that is taken off
let preprocessing = props.preprocessing;
let asking = false; // a question is under way
let again = false; // something is new since it was asked
let hurry = () => {}; // ends the pause between two questions

function ask() {
  again = true;
  if (drawing === null) hurry();
  if (!asking) askOn();
}

// Give up the question that is under way: nobody waits for its answer.
function forget() {
  turn.forgotten?.();
  turn = {};
  outdate();
}

// Say that the answer that is shown belongs to what was asked about earlier.
function outdate() {
  document.dispatchEvent(new CustomEvent("outdated"));
}

async function askOn() {
  asking = true;
  while (again && element.isConnected) {
    again = false;
    const begun = performance.now();
    await askOnce(drawing === null);
    if (drawing !== null) await pause(Math.max(PAUSE, performance.now() - begun));
  }
  asking = false;
}

function pause(milliseconds) {
  return new Promise((done) => {
    hurry = done;
    setTimeout(done, milliseconds);
  });
}

// Ask about what is now on the paper, and show the answer; settled: the pen is up.
async function askOnce(settled) {
  const asked = turn;
  if (isEmpty()) return settle({ html: props.nothing, box: null }, null);
  const forgotten = new Promise((done) => (asked.forgotten = done));
  const late = setTimeout(() => asked === turn && say(NO_ANSWER), PATIENCE);
  try {
    const picture = await Promise.race([pictureToSend(), forgotten]);
    const question = { picture, preprocessing };
    const answer = asked === turn && (await Promise.race([server.read(question), forgotten]));
    if (asked !== turn) return;
    if (!answer) throw new Error(NOT_SENT);
    if ([NO_ANSWER, NOT_SENT].includes(status.textContent)) say("");
    settled && drawing === null && !again ? settle(answer, picture) : show(answer, false);
  } catch {
    if (asked === turn) say(NOT_SENT);
  } finally {
    clearTimeout(late);
  }
}

// The picture as the server is to have it: a file that was opened is uploaded, once.
async function pictureToSend() {
  if (opened) return (opened.sent ??= await uploaded(opened.file));
  paintOn(small, SENT_SIDE);
  return small.canvas.toDataURL("image/png");
}

async function uploaded(file) {
  const { path } = await upload(file);
  return { path, meta: { _type: "gradio.FileData" } };
}

function show(answer, settled) {
  document.dispatchEvent(new CustomEvent("answered", { detail: { html: answer.html, settled } }));
}

// Show an answer that stays, and tell the rest of the page what was read, or that nothing was.
function settle(answer, picture) {
  show(answer, true);
  showBox(answer.box);
  props.value = { picture, preprocessing };
  trigger("input");
}

// Frame a part of the picture: left, top, right and bottom in shares of it; null for no frame.
function showBox(edges) {
  box.hidden = !edges;
  if (!edges) return;
  const [left, top, wide, high] = opened ? opened.area : [0, 0, 1, 1];
  box.style.left = `${100 * (left + edges[0] * wide)}%`;
  box.style.top = `${100 * (top + edges[1] * high)}%`;
  box.style.width = `${100 * (edges[2] - edges[0]) * wide}%`;
  box.style.height = `${100 * (edges[3] - edges[1]) * high}%`;
}

listen("change", ({ target }) => {
  if (target.name !== "preprocessing") return;
  preprocessing = target.value;
  forget();
  showBox(null);
  ask();
});
