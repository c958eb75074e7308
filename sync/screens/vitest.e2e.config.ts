import { defineConfig } from "vitest/config";

// One city and one browser for all: the tests run one after the other, and none is tried again.
export default defineConfig({ test: { include: ["e2e/**/*.e2e.ts"], fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000 } });
