// What the fake node says to an administrator, at its one moment.
import type { Sessions } from "../src/lib/account";
import type { Account, Change, Device, Machines, RulesVersion } from "../src/admin/data";

/** The lists of the administration, by path; ago gives a time so many seconds before the moment. */
export function administration(ago: (s: number) => string, ward: string): Record<string, unknown> {
  const account = (user: string, role: Account["role"], unit: string, more: Partial<Account> = {}): Account =>
    ({ user, role, unit, disabled: false, must_change: false, reason: "nhận công tác", by: "administrator", at: ago(500_000), index: 7, ...more });
  const users: Account[] = [
    account("administrator", "administrator", "command", { by: "", reason: "" }), account("hoa", "command_officer", "command"), account("lan", "ward_officer", `ward/${ward}`),
    account("minh", "ward_officer", `ward/${ward}`, { must_change: true, at: ago(3600), reason: "đặt lại mật khẩu" }), account("phuc", "department_officer", "PC07"), account("tuan", "auditor", "command"),
  ];
  const devices: Device[] = [{ id: "app-1", ward, kind: "app", revoked: false }, { id: "kiosk-0", ward, kind: "kiosk", revoked: false }, { id: "kiosk-1", ward: "26740", kind: "kiosk", revoked: false }, { id: "button-1", ward, kind: "button", revoked: false }];
  const machines: Machines = {
    items: [{ name: "station/26704", state: "enrolled", epoch: 1, since: ago(90_000), names: ["10.1.4.10"] }, { name: "station/26740", state: "enrolled", epoch: 2, since: ago(60_000) }, { name: "station/26734", state: "waiting", epoch: 1 }],
    authority: { oldest: 1, current: 1, fingerprint: "3f9a1c0e5b7d2a48c6e1f00912345678aabbccddeeff00112233445566778899" },
    nodes: [{ id: "core-1", answers: true, leads: true, sync: "10.0.0.11:7001" }, { id: "core-2", answers: true, leads: false, sync: "10.0.0.12:7001" }, { id: "core-3", answers: false, leads: false, sync: "10.0.0.13:7001" }],
  };
  const rule = (priority: string, departments: string[], claim: number, keep_days?: number): RulesVersion["rules"]["categories"][string] =>
    ({ priority, lane: priority === "P1" ? "urgent" : "normal", departments, contacts: [], ...(keep_days ? { keep_days } : {}), deadlines: [{ step: "claim", within_s: claim }, { step: "arrive", within_s: claim * 10 }] });
  const versions: RulesVersion[] = [
    { version: 2, by: "administrator", at: ago(86_400), index: 60, in_effect: true, rules: { version: 2, from: ago(86_400), until: null, categories: { fire: rule("P1", ["PC07"], 60), traffic_accident: rule("P2", ["PC08"], 180), security: rule("P3", [], 900, 365), feedback: rule("P4", [], 86_400, 90) } } },
    { version: 1, by: "administrator", at: ago(900_000), index: 20, in_effect: false, rules: { version: 1, from: ago(900_000), until: null, categories: { fire: rule("P1", ["PC07"], 90) } } },
  ];
  const change = (index: number, kind: string, subject: string, more: Partial<Change> = {}): Change => ({ index, id: `018f3c1e-7a2b-7c3d-8e4f-${String(index).padStart(12, "0")}`, kind, by: "administrator", unit: "command", at: ago(9000 - index * 60), subject, ...more });
  const changes: Change[] = [change(61, "account", "minh", { reason: "đặt lại mật khẩu", detail: { role: "ward_officer", unit: `ward/${ward}` } }), change(60, "rules", "2", { detail: { from: ago(86_400) } }), change(50, "device", "kiosk-1", { detail: { kind: "kiosk", ward: "26740" } })];
  const sessions: Sessions = { idle_s: 1800, life_s: 50_400, listed: "city", items: [
    { id: "0".repeat(32), began: ago(7200), seen: ago(12), from: "10.1.4.21", with: "Chromium" }, { id: "1".repeat(32), began: ago(26_000), seen: ago(900), from: "10.1.4.35", with: "Firefox" }] };
  return {
    "/api/v1/users": { items: users }, "/api/v1/devices": { items: devices, next: null }, "/api/v1/machines": machines, "/api/v1/rules/versions": { items: versions },
    "/api/v1/changes": { items: changes, next: null }, "/api/v1/users/lan/sessions": sessions,
  };
}
