"use strict";
// Lists incidents live. What cannot be proved fresh is shown as old: when two
// heartbeats are missing the table is dimmed and the pill says since when.
const $ = (id) => document.getElementById(id);
const words = {
  received: "mới nhận", claimed: "đã nhận xử lý", classified: "đã phân loại", verified: "đã xác minh",
  dispatched: "đã điều động", on_scene: "tại hiện trường", resolved: "đã giải quyết", closed: "đã đóng",
  panic: "Khẩn cấp", fire: "Cháy", emergency: "Sự cố", medical: "Y tế", crime: "Tội phạm",
  traffic_accident: "Tai nạn giao thông", security: "An ninh trật tự", feedback: "Góp ý",
};
const shown = 200;
const pause = 400; // between two readings of the list, in a flood
let heard = 0, source = null, state = null, units = {};

function clock(t) { return new Date(t).toLocaleTimeString("vi-VN", { hour12: false }); }

function pill() {
  const fresh = Date.now() - heard < 11000;
  const p = $("line");
  $("desk").classList.toggle("old", !fresh);
  if (!fresh) {
    p.className = "old";
    p.textContent = heard ? "Mất kết nối từ " + clock(heard) + " – dữ liệu cũ" : "Chưa kết nối";
  } else if (state && state.state !== "connected" && state.state !== "local") {
    p.className = "cut";
    p.textContent = "Mất đường truyền về thành phố – còn " + state.lag + " mục chưa gửi";
  } else {
    p.className = "live";
    p.textContent = "Trực tuyến";
  }
}

function cell(row, text, cls) {
  const td = row.insertCell();
  td.textContent = text;
  if (cls) td.className = cls;
}

let reading = false, again = false;
async function list() {
  if (reading) { again = true; return; }
  reading = true;
  try {
    do {
      if (again) await new Promise((done) => setTimeout(done, pause));
      again = false;
      const r = await fetch("/api/v1/incidents?limit=" + shown);
      if (r.status === 401) { login(); return; }
      if (!r.ok) return;
      const { items } = await r.json();
      const rows = $("rows");
      rows.replaceChildren();
      for (const it of items) {
        const tr = rows.insertRow();
        tr.className = it.priority || "";
        cell(tr, it.received_at ? new Date(it.received_at).toLocaleString("vi-VN", { hour12: false }) : "đang chuyển đến");
        cell(tr, words[it.category] || "");
        cell(tr, it.priority || "");
        cell(tr, (words[it.status] || it.status) + (it.conflicts ? " ⚠ " + it.conflicts + " mâu thuẫn" : ""));
        cell(tr, units[it.lead] || it.lead || "");
        cell(tr, it.id, "id");
      }
      $("empty").hidden = items.length > 0;
    } while (again);
  } finally { reading = false; }
}

// Input that could not be read is shown with its reason; the city has none of it.
async function malformed() {
  const r = await fetch("/api/v1/malformed?limit=20");
  if (!r.ok) return;
  const { items } = await r.json();
  $("malformed").hidden = items.length === 0;
  $("raw").replaceChildren();
  for (const it of items) {
    const tr = $("raw").insertRow();
    cell(tr, new Date(it.at).toLocaleString("vi-VN", { hour12: false }));
    cell(tr, it.device);
    cell(tr, it.via);
    cell(tr, it.field || "");
    cell(tr, it.detail);
  }
}

function alarms(list) {
  $("alarms").hidden = list.length === 0;
  $("alarms").replaceChildren(...list.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

async function names() {
  const r = await fetch("/api/v1/units");
  if (r.ok) for (const u of (await r.json()).items) units[u.id] = u.name;
}

function follow() {
  $("login").hidden = true;
  $("desk").hidden = false;
  if (source) source.close();
  source = new EventSource("/api/v1/live");
  source.onopen = async () => { await names(); list(); };
  source.addEventListener("incident", () => { heard = Date.now(); list(); });
  source.addEventListener("reset", () => list());
  source.addEventListener("heartbeat", (e) => {
    heard = Date.now();
    state = JSON.parse(e.data).line;
    alarms(state.alarms || []);
    malformed();
    pill();
  });
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(start, 2000); };
}

function login() {
  $("desk").hidden = true;
  $("login").hidden = false;
}

$("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  const f = new FormData(e.target);
  const r = await fetch("/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user: f.get("user"), password: f.get("password") }) });
  if (r.ok) { $("wrong").textContent = ""; follow(); } else { $("wrong").textContent = "Sai tài khoản hoặc mật khẩu."; }
});

async function start() {
  try {
    const r = await fetch("/api/v1/me");
    if (r.ok) follow(); else login();
  } catch { setTimeout(start, 2000); }
}

setInterval(pill, 1000);
start();
