// A whole city for the tests of the screens: the real program, in a folder of its own.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { until } from "./browser.mjs";

const run = promisify(execFile);
const binary = process.env["WARDLINE"] ?? resolve(import.meta.dirname, "../../../wardline");

interface CityFile {
  command: { url: string };
  core: { id: string; url: string }[];
  stations: { id: string; ward: string; url: string }[];
  officers: { user: string; password: string; role: string; unit: string }[];
  devices: { id: string; password: string; ward: string }[];
}

export class City {
  private constructor(
    private readonly dir: string,
    private readonly process: ChildProcess,
    readonly file: CityFile,
  ) {}

  static async start(): Promise<City> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run make build, or name the program in WARDLINE`);
    const dir = mkdtempSync(join(tmpdir(), "wardline-e2e-"));
    const any = "127.0.0.1:0";
    const p = spawn(binary, ["city", "--data", dir, "--command", any, "--station", any, "--mqtt", any, "--limits=off"], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const keep = (b: Buffer): void => void (said = (said + b.toString()).slice(-4000));
    p.stdout.on("data", keep);
    p.stderr.on("data", keep);
    try {
      const file = await until("the city", async () => {
        if (p.exitCode !== null) throw new Error(`ended with ${p.exitCode}`);
        return existsSync(join(dir, "city.json")) && (JSON.parse(readFileSync(join(dir, "city.json"), "utf8")) as CityFile);
      }, 90_000);
      return new City(dir, p, file);
    } catch (e) {
      p.kill("SIGKILL");
      throw new Error(`${String(e)}\n${said}`);
    }
  }

  get station(): string {
    return this.file.stations[0]!.url;
  }

  officer(user: string): { user: string; password: string } {
    const o = this.file.officers.find((x) => x.user === user);
    if (!o) throw new Error(`no officer ${user}`);
    return o;
  }

  /** --cut=refuse, --heal, --stop=NAME, --start=NAME. */
  async control(...args: string[]): Promise<void> {
    await run(binary, ["city", "--data", this.dir, ...args]);
  }

  /** A report of the city's first phone; gives its id. */
  async report(body: Record<string, unknown>): Promise<string> {
    const id = randomUUID();
    const r = await this.phone("/api/v1/reports", { id, ...body });
    if (r.status !== 201) throw new Error(`report: ${r.status} ${await r.text()}`);
    return id;
  }

  /** A message of the same phone to the desk. */
  async message(report: string, text: string): Promise<void> {
    const r = await this.phone(`/api/v1/reports/${report}/messages`, { id: randomUUID(), text });
    if (!r.ok) throw new Error(`message: ${r.status} ${await r.text()}`);
  }

  private phone(path: string, body: object): Promise<Response> {
    const d = this.file.devices[0]!;
    return fetch(this.station + path, {
      method: "POST", headers: { Authorization: "Basic " + Buffer.from(`${d.id}:${d.password}`).toString("base64"), "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    const killed = setTimeout(() => this.process.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(killed);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** An officer's session without a browser: the other side of a cut. */
export class Session {
  private cookie = "";
  constructor(readonly base: string) {}

  async logIn(o: { user: string; password: string }): Promise<this> {
    const r = await fetch(`${this.base}/api/v1/session`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: o.user, password: o.password }) });
    if (!r.ok) throw new Error(`log-in: ${r.status} ${await r.text()}`);
    this.cookie = r.headers.get("set-cookie")!.split(";")[0]!;
    return this;
  }

  async get<T>(path: string): Promise<T> {
    const r = await fetch(this.base + path, { headers: { Cookie: this.cookie } });
    if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
    return (await r.json()) as T;
  }

  async post<T>(path: string, body: object): Promise<T> {
    const r = await fetch(this.base + path, { method: "POST", headers: { Cookie: this.cookie, "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
    return (await r.json()) as T;
  }

  async act(incident: string, action: string, fields: Record<string, unknown> = {}): Promise<void> {
    const { version } = await this.get<{ version: string }>(`/api/v1/incidents/${incident}`);
    const r = await fetch(`${this.base}/api/v1/incidents/${incident}/actions`, {
      method: "POST", headers: { Cookie: this.cookie, "Content-Type": "application/json" }, body: JSON.stringify({ id: randomUUID(), action, seen: version, ...fields }),
    });
    if (!r.ok) throw new Error(`${action}: ${r.status} ${await r.text()}`);
  }
}
