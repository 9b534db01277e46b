// The camera: its picture is seen on the paper, and taken as a picture that was opened.

const TAKEN_SIDE = 1024; // pixels at most
const NO_CAMERA = {
  NotAllowedError: "The camera may not be used: allow it for this page in the browser.",
  NotFoundError: "No camera was found.",
};
const CAMERA_BUSY = "The camera cannot be used now: another program may be using it.";
const NOT_SAFE = "The browser lets a page use the camera only over HTTPS, or on this machine.";

const video = element.querySelector("video");
let stream = null; // of the camera, while it films

async function film() {
  if (!navigator.mediaDevices?.getUserMedia) return say(NOT_SAFE);
  startAnew();
  ask();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = stream;
    await video.play();
  } catch (fault) {
    stopFilming();
    return say(NO_CAMERA[fault.name] ?? CAMERA_BUSY);
  }
  pad.classList.add("filming");
  button("take").focus();
}

function stopFilming() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = video.srcObject = null;
  pad.classList.remove("filming");
}

// Take the square that is seen on the paper.
async function take() {
  const side = Math.min(video.videoWidth, video.videoHeight);
  const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
  const taken = Math.min(side, TAKEN_SIDE);
  const sheet = new OffscreenCanvas(taken, taken);
  sheet.getContext("2d").drawImage(video, left, top, side, side, 0, 0, taken, taken);
  closeCamera();
  const content = await sheet.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  open(new File([content], "camera.jpg", { type: "image/jpeg" }));
}

function closeCamera() {
  stopFilming();
  button("film").focus();
}

button("film").addEventListener("click", film);
button("take").addEventListener("click", take);
button("close").addEventListener("click", closeCamera);
listen("keydown", (event) => {
  if (event.key === "Escape" && stream) closeCamera();
});
document.addEventListener("visibilitychange", () => document.hidden && stream && stopFilming(), {
  signal: whileThere.signal,
});
