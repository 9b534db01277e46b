// The page: the pad of page/pad, an answer beside it, and a worker that reads in place of a server.

import { answer, pad } from "./pad.js"; // made by the build of page/pad's files
import { nothing, panel } from "./answer_view.js";

const MOST_BYTES = 16 * 1024 * 1024;
const MOST_PIXELS = 50_000_000;
const LOADED = "Ready.";
const OFFLINE = "Ready, without a connection too.";
const BROKEN =
  "The network could not be loaded: reload the page, in a browser that is up to date.";

const state = document.getElementById("state");
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const waiting = new Map(); // what is to be called with the answer to each question
let asked = 0;

// Return { image, box, answer }, or { fault } in words, for a picture file.
function read(blob) {
  return new Promise((done) => {
    waiting.set(++asked, done);
    worker.postMessage({ id: asked, blob });
  });
}

worker.onmessage = ({ data }) => {
  if (data.ready !== undefined) return told(data.ready);
  waiting.get(data.id)?.(data);
  waiting.delete(data.id);
};
worker.onerror = () => told(false);

function told(ready) {
  state.textContent = ready ? LOADED : BROKEN;
  state.classList.toggle("wrong", !ready);
  if (ready) offline();
  else for (const [id, done] of waiting) waiting.delete(id) && done({ fault: BROKEN });
}

// Keep all files for when there is no connection; where the browser cannot, all else works.
async function offline() {
  try {
    await navigator.serviceWorker.register(new URL("sw.js", import.meta.url));
    await navigator.serviceWorker.ready;
    state.textContent = OFFLINE;
  } catch {
    // An address without TLS, or a private window: LOADED stays.
  }
}

// What the pad takes for its server: it asks about a data URL, or a file that it has "uploaded".
const server = {
  async read({ picture }) {
    const blob = picture.path ?? bytesOf(picture);
    const { fault, image, box, answer } = await read(blob);
    if (fault) return { html: nothing(fault), box: null };
    return { html: panel(answer, image), box: [box.left, box.top, box.right, box.bottom] };
  },
};
const upload = async (file) => ({ path: file });

function bytesOf(url) {
  const text = atob(url.slice(url.indexOf(",") + 1));
  return new Blob([Uint8Array.from(text, (letter) => letter.charCodeAt(0))]);
}

const answerPlace = document.querySelector(".page-answer");
answer(answerPlace, {
  set value(html) {
    answerPlace.innerHTML = html;
  },
});
answerPlace.innerHTML = nothing();
pad(
  document.querySelector(".page-pad"),
  { max_bytes: MOST_BYTES, max_pixels: MOST_PIXELS, preprocessing: "enhanced", nothing: nothing() },
  server,
  upload,
  () => {},
);
