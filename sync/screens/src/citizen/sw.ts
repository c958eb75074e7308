// The service worker: the page without a network, and a sending when the page is
// closed. Built files have their content's hash in their names, so what is in the
// cache is never old; the page itself is shown as it is kept and renewed behind that.
/// <reference lib="webworker" />
import { drain } from "./outbox";

declare const self: ServiceWorkerGlobalScope;
interface SyncEvent extends ExtendableEvent { readonly tag: string }

const cache = "citizen-1";
const home = "/citizen/";

/** The page and everything that it names, so that one visit is enough. */
async function fill(): Promise<void> {
  const c = await caches.open(cache);
  const r = await fetch(home, { cache: "no-cache" });
  if (!r.ok) throw new Error(`${home}: ${r.status}`);
  const list = await fetch("/citizen/files.json", { cache: "no-cache" });
  if (!list.ok) throw new Error(`files.json: ${list.status}`);
  const files = (await list.json()) as string[];
  await c.addAll(files);
  await c.put(home, r);
  const wanted = new Set([...files, home].map((f) => new URL(f, self.location.origin).href));
  for (const k of await c.keys()) if (!wanted.has(k.url)) await c.delete(k);
}

self.addEventListener("install", (e) => {
  e.waitUntil(fill().then(() => self.skipWaiting()));
});
self.addEventListener("activate", (e) => {
  e.waitUntil(self.clients.claim());
});
self.addEventListener("fetch", (e) => {
  const u = new URL(e.request.url);
  if (e.request.method !== "GET" || u.origin !== self.location.origin) return;
  if (e.request.mode === "navigate" && u.pathname === home) {
    // The kept page at once, whatever the network does; a newer one is there at the next opening.
    e.respondWith(caches.match(home).then((r) => r ?? fetch(e.request)));
    e.waitUntil(fill().catch(() => undefined));
  }
  else if (u.pathname.startsWith("/assets/") || u.pathname.startsWith(home)) e.respondWith(caches.match(e.request, { ignoreSearch: true }).then((r) => r ?? fetch(e.request)));
});
self.addEventListener("sync", (e) => {
  const s = e as SyncEvent;
  if (s.tag === "outbox") s.waitUntil(drain(false, true));
});
