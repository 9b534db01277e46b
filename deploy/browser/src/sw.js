// Keeps the page's files, so that it works without a connection. The build puts their list and the
// digest of them all in this file's first lines: any change is a new worker, which fetches all anew
// and takes over when no page of the old one is open.

const VERSION = "VERSION_OF_THE_BUILD";
const FILES = ["FILES_OF_THE_BUILD"];
const NAME = `digit-reader-${VERSION}`;

self.addEventListener("install", (event) => {
  const anew = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(anew)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith("digit-reader-") && name !== NAME))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const kept = caches.open(NAME).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
