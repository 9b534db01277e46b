// Where files for a batch are dropped or chosen: all are sent, then handed on together.
// gr.HTML runs this as the body of a function of `element`, `props`, `trigger` and `upload`.

const SENT_AT_ONCE = 4;
const zone = element.querySelector(".drop");
const status = element.querySelector(".drop-status");
const bar = element.querySelector("progress");

let latest = 0; // counts choices: what is still being sent of an earlier one is dropped

function say(text) {
  status.textContent = text;
}

function isWanted({ name }) {
  const parts = name.split("/");
  return !parts.some((part) => part.startsWith(".") || part === "__MACOSX");
}

// Send one file; one that cannot be sent is a row with its reason too.
async function sent({ file, name }) {
  const told = { orig_name: name, size: file.size };
  if (file.size > props.max_bytes) return told;
  const { path } = await upload(file);
  return { ...told, path, meta: { _type: "gradio.FileData" } };
}

async function send(found) {
  const turn = ++latest;
  const files = found.filter(isWanted);
  if (!files.length) return say("No files were chosen.");
  if (files.length > props.max_pictures) {
    const most = props.max_pictures.toLocaleString("en");
    return say(`These are ${files.length.toLocaleString("en")} files: at most ${most} are read at once.`);
  }
  Object.assign(bar, { max: files.length, value: 0, hidden: false });
  say(files.length === 1 ? "Sending the file…" : `Sending ${files.length.toLocaleString("en")} files…`);
  const results = [];
  let next = 0;
  async function work() {
    while (next < files.length && turn === latest) {
      const place = next++;
      results[place] = await sent(files[place]);
      if (turn === latest) bar.value += 1;
    }
  }
  try {
    await Promise.all(Array.from({ length: SENT_AT_ONCE }, work));
  } catch {
    if (turn !== latest) return;
    latest += 1;
    bar.hidden = true;
    return say("The files could not be sent. Is the program still running?");
  }
  if (turn !== latest) return;
  bar.hidden = true;
  say("");
  props.value = { files: results, turn };
  trigger("input");
}

function named(file) {
  return { file, name: file.webkitRelativePath || file.name };
}

// Return the files in what was dropped, those in folders too.
async function entriesOf(entry, folder = "") {
  const name = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ file, name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length || found.length > props.max_pictures) return found;
    for (const each of some) found.push(...(await entriesOf(each, `${name}/`)));
  }
}

for (const input of element.querySelectorAll("input[type=file]")) {
  const button = element.querySelector(`[data-action=${input.dataset.of}]`);
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files].map(named);
    input.value = ""; // so that the same files can be chosen again
    send(files);
  });
}

element.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("dropping");
});
element.addEventListener("dragleave", () => zone.classList.remove("dropping"));
element.addEventListener("drop", async (event) => {
  event.preventDefault();
  zone.classList.remove("dropping");
  const { items, files } = event.dataTransfer;
  // Taken at once: after the first await what was dropped is not there any more.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return send([...files].map(named));
  try {
    const found = await Promise.all(entries.map((entry) => entriesOf(entry)));
    await send(found.flat());
  } catch {
    say("What was dropped could not be read: choose it with a button.");
  }
});
