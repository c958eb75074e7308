import { defineConfig } from "vitest/config";

// One city and one browser for all: the tests run one after the other. A key can still come between a
// dialog and the list behind it, so a test that fails is tried again, twice at most, and vitest says so.
export default defineConfig({ test: { include: ["e2e/**/*.e2e.ts"], fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000, retry: 2 } });
