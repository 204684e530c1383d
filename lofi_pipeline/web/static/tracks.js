// The list of tracks: hear a row, go through it by keys, change several rows at once.
import { keys, send, toast } from "./studio.js";

const audio = document.getElementById("listen");
let playing = null;

function show(button, on) {
  button.setAttribute("aria-pressed", String(on));
  button.firstElementChild.textContent = on ? "❚❚" : "▶";
}

function stop() {
  audio.pause();
  if (playing) show(playing, false);
  playing = null;
}

audio.addEventListener("ended", stop);
audio.addEventListener("error", () => {
  if (playing) toast("This track's audio cannot be played: is the file still there? The next run makes it again.", true);
  stop();
});

function play(button) {
  const same = button === playing;
  stop();
  if (same) return;
  playing = button;
  show(button, true);
  audio.src = button.dataset.play;
  audio.play().catch(() => {});
}

function rows() {
  return [...document.querySelectorAll(".tracks > li")].map((row) => row.querySelector("button.play, h2 a")).filter(Boolean);
}

function step(by) {
  const all = rows(), here = all.findIndex((target) => target.closest("li").contains(document.activeElement));
  all[Math.max(0, Math.min(all.length - 1, here + by))]?.focus();
}

function follow(selector) {
  document.querySelector(selector)?.click();
}

keys({
  "/": ["Search", () => document.getElementById("q").focus()],
  ArrowDown: ["Next track", () => step(1)],
  ArrowUp: ["Track before", () => step(-1)],
  o: ["Open the track", () => document.activeElement.closest(".tracks > li")?.querySelector("h2 a")?.click()],
  ArrowRight: ["Next page", () => follow("a[rel=next]")],
  ArrowLeft: ["Page before", () => follow("a[rel=prev]")],
});

function name() {
  const input = document.querySelector("#several [name=who]");
  if (!input.reportValidity()) return null;
  localStorage.setItem("lofi-who", input.value);
  return input.value;
}

async function change(kind) {
  const who = name(), form = document.getElementById("several");
  if (!who) return;
  let said;
  if (kind === "surest") {
    if (!form.confidence.reportValidity()) return;
    said = await send("/studio/tracks/accept-surest", {
      who, confidence: Number(form.confidence.value), address: document.getElementById("list").dataset.query,
    });
  } else if (kind === "table") {
    const file = form.table.files[0];
    if (!file) return toast("Choose the table first.", true);
    let table;
    try { table = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()); }
    catch { return toast(`${file.name} is not UTF-8; save it as CSV in UTF-8.`, true); }
    said = await send("/studio/tracks/import", { who, table });
  } else {
    const ids = [...document.querySelectorAll("[name=pick]:checked")].map((box) => box.value);
    if (!ids.length) return toast("Select tracks first.", true);
    said = await send("/studio/tracks/bulk", { who, track_ids: ids, style_ids: kind === "style" ? [form.style.value] : [] });
  }
  if (said) location.reload();
}

function fillName() {
  const input = document.querySelector("#several [name=who]");
  if (input && !input.value) input.value = localStorage.getItem("lofi-who") ?? "";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.play) play(button);
  if (button.dataset.bulk) change(button.dataset.bulk);
  if ("select" in button.dataset) for (const box of document.querySelectorAll("[name=pick]")) box.checked = true;
});
document.addEventListener("htmx:after:swap", () => { stop(); fillName(); });
fillName();
