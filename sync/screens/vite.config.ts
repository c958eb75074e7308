import { resolve } from "node:path";
import { defineConfig } from "vite";

// Where `make dev` finds the running city: the station's address by default.
const city = process.env["WARDLINE_URL"] ?? "http://127.0.0.1:8801";
const page = (name: string) => resolve(import.meta.dirname, name, "index.html");

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist/built",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of our own origin: the Content-Security-Policy allows no data: scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Read by build/citizen.mjs.
    manifest: "files.json",
    rolldownOptions: {
      checks: { pluginTimings: false },
      input: { desk: page("desk"), command: page("command"), citizen: page("citizen"), admin: page("admin") },
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  worker: { format: "es" },
  server: {
    port: 5173,
    proxy: {
      "/api": { target: city, changeOrigin: true, headers: { origin: city } },
      "/healthz": city,
    },
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
} as Parameters<typeof defineConfig>[0]);
