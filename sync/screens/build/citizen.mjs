// After the pages: the citizen's service worker as one classic script (not every
// phone's browser takes a module there), and the list of what it keeps, so that
// one visit is enough to report without a network.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist", "built");
await build({
  configFile: false, root, publicDir: false, logLevel: "warn",
  build: {
    outDir: join(out, "citizen"), emptyOutDir: false, target: "es2022",
    lib: { entry: join(root, "src", "citizen", "sw.ts"), formats: ["iife"], name: "sw", fileName: () => "sw.js" },
  },
});

const manifest = JSON.parse(readFileSync(join(out, "files.json"), "utf8"));
const files = new Set(["/citizen/manifest.webmanifest", "/citizen/icon.svg"]);
const seen = new Set();
function follow(key) {
  const m = manifest[key];
  if (!m || seen.has(key)) return;
  seen.add(key);
  files.add("/" + m.file);
  for (const f of [...(m.css ?? []), ...(m.assets ?? [])]) files.add("/" + f);
  for (const k of [...(m.imports ?? []), ...(m.dynamicImports ?? [])]) follow(k);
}
follow("citizen/index.html");
writeFileSync(join(out, "citizen", "files.json"), JSON.stringify([...files].sort()));
