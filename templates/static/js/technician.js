// The technician's pages ask for themselves again, so that a device that joins appears by itself; countdowns run to the
// moment that Zigbee2MQTT reported; labels are scanned where the browser can.

import { renew } from "./takeover.js";

const EVERY_MS = 5_000;
const HURRIED_MS = 1_500;
let askedAt = Date.now();
let skew = 0; // the server's clock minus the browser's

async function refresh() {
  askedAt = Date.now();
  if (!(await renew())) return;
  learnClock();
  tick();
}

// --- countdown ---

function learnClock() {
  const told = document.querySelector("[data-now]");
  if (told && told.dataset.known === undefined) {
    skew = Number(told.dataset.now) - Date.now();
    told.dataset.known = "";
  }
}

function tick() {
  for (const clock of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.round((Number(clock.dataset.until) - Date.now() - skew) / 1000));
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (clock.textContent !== text) clock.textContent = text;
  }
}

// --- scanning ---

async function scan(field) {
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  const viewer = document.createElement("div");
  viewer.className = "viewer";
  const video = Object.assign(document.createElement("video"), { playsInline: true, muted: true });
  const stop = Object.assign(document.createElement("button"), { type: "button", textContent: "✕" });
  viewer.append(video, stop);
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const end = () => (stream.getTracks().forEach((track) => track.stop()), viewer.remove());
  stop.addEventListener("click", end);
  document.body.append(viewer);
  stop.focus();
  video.srcObject = stream;
  await video.play();
  while (viewer.isConnected) {
    const [code] = await detector.detect(video).catch(() => []);
    if (code?.rawValue) {
      end();
      field.value = code.rawValue;
      return field.form.requestSubmit();
    }
    await new Promise((go) => setTimeout(go, 150));
  }
}

function offerScanning() {
  if (!("BarcodeDetector" in window && navigator.mediaDevices?.getUserMedia)) return;
  for (const button of document.querySelectorAll("[data-scan]")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-scan]");
  if (button) scan(button.parentElement.querySelector("input")).catch(() => (button.hidden = true)); // no camera, or not allowed
  if (event.target.closest("[data-print]")) print();
});
// A button pressed twice asks once.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent !== undefined) return event.preventDefault();
  if (event.target.method === "post") event.target.dataset.sent = "";
});
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));

for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
offerScanning();
learnClock();
tick();
if (document.querySelector("[data-live]")) {
  const isDue = () => Date.now() - askedAt >= (document.querySelector("[data-hurry]") ? HURRIED_MS : EVERY_MS);
  setInterval(() => (tick(), document.hidden || (isDue() && refresh())), 500);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  addEventListener("online", refresh);
}
