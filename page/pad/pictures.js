// Pictures that are opened, pasted, dropped or chosen among the examples, and how they look.

const input = element.querySelector("input[type=file]");

async function open(file) {
  if (file.size > props.max_bytes) {
    say(`${file.name} is ${megabytes(file.size)}: at most ${megabytes(props.max_bytes)} is accepted.`);
    return;
  }
  startAnew();
  const begun = turn;
  const { sheet, area } = await preview(file);
  if (turn !== begun || strokes.length) return; // something else was begun meanwhile
  opened = { file, sheet, area, sent: null };
  paint();
  ask();
}

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "")} MB`;
}

// Return a canvas with the picture, and the area that it takes of it: left, top, width and height
// in shares. Where the browser cannot or, for its size, should not decode it, the file's name is
// shown instead. Whether it can be read is for the server to say.
async function preview(file) {
  const sheet = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const target = sheet.getContext("2d");
  const image = new Image();
  image.src = URL.createObjectURL(file);
  const loaded = await new Promise((done) => {
    image.onload = () => done(image.naturalWidth * image.naturalHeight <= props.max_pixels);
    image.onerror = () => done(false);
  });
  let area = [0, 0, 1, 1];
  if (loaded) {
    const longer = Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth / longer, image.naturalHeight / longer];
    area = [(1 - width) / 2, (1 - height) / 2, width, height];
    const place = area.map((share) => share * SIDE);
    if (isLightOnNothing(image)) {
      target.fillStyle = INK;
      target.fillRect(...place);
    }
    target.drawImage(image, ...place);
  } else {
    target.font = "40px system-ui, sans-serif";
    target.textAlign = "center";
    target.fillStyle = "#555555";
    target.fillText(file.name, SIDE / 2, SIDE / 2, SIDE - 80);
  }
  URL.revokeObjectURL(image.src);
  return { sheet, area };
}

// Tell if a picture is transparent with light ink, which would not be seen on white paper.
function isLightOnNothing(image) {
  const glance = new OffscreenCanvas(64, 64).getContext("2d");
  glance.drawImage(image, 0, 0, 64, 64);
  const pixels = glance.getImageData(0, 0, 64, 64).data;
  let [ink, light, clear] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    ink += pixels[i + 3];
    light += (pixels[i + 3] * (pixels[i] + pixels[i + 1] + pixels[i + 2])) / 3;
    clear += pixels[i + 3] < 128;
  }
  return clear > 0 && light > 128 * ink;
}

function openFirst(files, otherwise) {
  const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
  file ? open(file) : say(otherwise);
}

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

listen("paste", (event) => {
  openFirst(event.clipboardData.files, "The clipboard holds no picture.");
});

listen("click", async (event) => {
  const example = event.target.closest(".page-example");
  if (!example) return;
  const content = await (await fetch(example.querySelector("img").src)).blob();
  open(new File([content], example.dataset.name, { type: content.type }));
  paper.scrollIntoView({ block: "nearest" });
});
