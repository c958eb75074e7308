// Writes a .br and a .gz beside every built file that gets smaller by it, so that a
// station's small processor never compresses while somebody waits.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = join(import.meta.dirname, "..", "dist", "built");
for (const e of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!e.isFile() || !/\.(html|js|css|svg|json|webmanifest|txt)$/.test(e.name)) continue;
  const path = join(e.parentPath, e.name);
  const raw = readFileSync(path);
  const br = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } });
  const gz = gzipSync(raw, { level: 9 });
  if (br.length < raw.length) writeFileSync(path + ".br", br);
  if (gz.length < raw.length) writeFileSync(path + ".gz", gz);
}
