// The page of one track: the player with bars and beats, keys, corrections; and the next track, which is loaded ahead.
import { player } from "./player.js";
import { keys, send, toast } from "./studio.js";

const SEEK = 5, TAPS = 8, PAUSE = 2500, MOST_PLACES = 12;
let now = null;    // what is shown: {article, loaded, base, wave, loop, added, dropped}
let ahead = null;  // {address, page}: the next track's page, fetched before it is wanted
let last = null;   // {address, base}: where the last decision was made, for undo
let taps = [];

const find = (selector) => now.article.querySelector(selector);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function barAt(seconds) {
  const { offset, interval, first_bar, in_a_bar } = now.loaded.beats;
  const length = interval * in_a_bar, first = offset + first_bar * interval;
  const begin = first + Math.floor((seconds - first) / length + 1e-6) * length;
  return { begin: Math.max(0, begin), end: begin + length };
}

function drawGrid() {
  const canvas = find("#grid"), duration = now.wave?.getDuration();
  if (!canvas || !duration) return;
  const { width, height } = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const x = (seconds) => (seconds / duration) * width;
  pen.fillStyle = colour("--bad");
  pen.globalAlpha = 0.25;
  for (const [begin, end] of now.gaps) pen.fillRect(x(begin), 0, Math.max(2, x(end) - x(begin)), height);
  pen.fillStyle = colour("--warn");
  pen.globalAlpha = 0.9;
  for (const [begin, end] of now.clipped) pen.fillRect(x(begin), 0, Math.max(2, x(end) - x(begin)), 4);
  pen.globalAlpha = 0.25;
  if (now.loop) {
    pen.fillStyle = colour("--accent");
    pen.fillRect(x(now.loop.begin), 0, Math.max(2, x(now.loop.end) - x(now.loop.begin)), height);
  }
  if (!now.loaded.beats) return;
  const { offset, interval, first_bar, in_a_bar } = now.loaded.beats;
  pen.strokeStyle = colour("--ink");
  pen.globalAlpha = 0.45;
  pen.beginPath();
  if ((interval / duration) * width > 3) {
    for (let at = offset; at < duration; at += interval) { pen.moveTo(x(at), height - 6); pen.lineTo(x(at), height); }
  }
  for (let at = offset + first_bar * interval; at < duration; at += interval * in_a_bar) {
    pen.moveTo(x(at), 0);
    pen.lineTo(x(at), height);
  }
  pen.stroke();
}

function sayPlaces() {
  say("silence", "Silent", now.gaps);
  say("clipping", "Clipped", now.clipped);
}

function say(part, word, places) {
  const element = find(`[data-part="${part}"] .places`);
  if (!element || !places.length) return;
  const shown = places.slice(0, MOST_PLACES).map(([a, b]) => [...new Set([clock(a), clock(b)])].join("–")).join(", ");
  const more = places.length > MOST_PLACES ? ` and ${places.length - MOST_PLACES} more places` : "";
  element.textContent = `${word} at ${shown}${more}.`;
}

async function startPlayer() {
  const element = find("#wave"), shown = now;
  if (!element) return;
  let wave;
  try {
    const [made, known] = await Promise.all([player(element), fetch(element.dataset.peaks).then((answer) => answer.json())]);
    wave = made;
    shown.gaps = known.gaps;
    shown.clipped = known.clipped ?? [];
  } catch {
    return toast("The audio of this track cannot be shown: is the file still there? The next run makes it again.", true);
  }
  if (shown !== now) return wave.destroy();
  now.wave = wave;
  wave.on("timeupdate", (seconds) => {
    if (shown !== now) return;
    find("#time").textContent = clock(seconds);
    if (now.loop && seconds >= now.loop.end) wave.setTime(now.loop.begin);
  });
  for (const [event, on] of [["play", true], ["pause", false]]) {
    wave.on(event, () => {
      if (shown !== now) return;
      find("#play").setAttribute("aria-pressed", String(on));
      find("#play").textContent = on ? "Pause" : "Play";
    });
  }
  wave.on("ready", drawGrid);
  new ResizeObserver(() => shown === now && drawGrid()).observe(element);
  drawGrid();
  sayPlaces();
  now.article.dataset.ready = "yes";
  if (keepsPlaying) wave.play().catch(() => {});
}

let keepsPlaying = false;  // whoever plays one track goes on to hear the next

function seek(by) {
  now.wave?.setTime(Math.max(0, now.wave.getCurrentTime() + by));
}

function loop() {
  if (!now.wave || !now.loaded.beats) return;
  now.loop = now.loop ? null : barAt(now.wave.getCurrentTime());
  find("#loop").setAttribute("aria-pressed", String(Boolean(now.loop)));
  drawGrid();
}

function who() {
  const input = find("#who");
  if (!input?.reportValidity()) return null;
  localStorage.setItem("lofi-who", input.value);
  return input.value;
}

const addressOf = (name) => new URL(now.base + name, location.origin).href;

/** Show the page of another track in place of this one. */
async function go(address, { push = true, fresh = true } = {}) {
  const known = !fresh && ahead?.address === address ? await ahead.page : null;
  let text = known;
  if (!text) {
    const answer = await fetch(address);
    if (!answer.ok) return location.assign(address);
    text = await answer.text();
  }
  const made = new DOMParser().parseFromString(text, "text/html");
  const article = made.getElementById("track");
  if (!article) return location.assign(address);
  keepsPlaying = Boolean(now.wave?.isPlaying());
  now.wave?.destroy();
  now.article.replaceWith(document.adoptNode(article));
  document.title = made.title;
  if (push) history.pushState(null, "", address);
  window.scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
  begin();
  window.htmx?.process(now.article);
}

function loadAhead() {
  if (!now.loaded.following) return;
  const address = addressOf(now.loaded.following), id = now.loaded.following.split("?")[0];
  ahead = { address, page: fetch(address).then((answer) => (answer.ok ? answer.text() : null)).catch(() => null) };
  fetch(`${now.base}${id}/peaks`).catch(() => {});
}

function next() {
  if (!now.loaded.following) return toast("This is the last one.");
  return go(addressOf(now.loaded.following), { fresh: false });
}

function before() {
  if (now.loaded.before) return go(addressOf(now.loaded.before));
  toast("This is the first one.");
}

async function decide(action, data = {}) {
  const name = who();
  if (!name || now.busy) return;
  now.busy = true;
  const here = now;
  const said = await send(`${now.base}${now.loaded.track_id}/${action}`, { who: name, ...data });
  here.busy = false;
  if (!said) return;
  last = { address: location.href, track: `${here.base}${here.loaded.track_id}` };
  toast(action === "accept" ? "Accepted" : "Rejected");
  if (here.loaded.following) await next();
  else await go(location.href, { push: false });
}

async function undo() {
  const name = who();
  if (!name) return;
  const where = last ?? { address: location.href, track: now.base + now.loaded.track_id };
  last = null;
  if (!(await send(`${where.track}/undo`, { who: name }))) return;
  toast("Taken back");
  await go(where.address, { push: where.address !== location.href });
}

function reject() {
  const dialog = find("#rejecting");
  dialog.returnValue = "";
  dialog.showModal();
}

function tap() {
  const moment = performance.now();
  if (taps.length && moment - taps.at(-1) > PAUSE) taps = [];
  taps = [...taps, moment].slice(-TAPS);
  if (taps.length > 1) setTempo((60000 * (taps.length - 1)) / (taps.at(-1) - taps[0]));
}

function setTempo(bpm) {
  const input = find("[name=bpm]");
  if (input) input.value = Math.round(bpm);
}

function sayTags() {
  const parts = [];
  if (now.added.size) parts.push(`to be added: ${[...now.added].join(", ")}`);
  if (now.dropped.size) parts.push(`to be taken out: ${[...now.dropped].join(", ")}`);
  find("#dropped").textContent = parts.join("; ");
}

function toggle(set, tag, button) {
  set.has(tag) ? set.delete(tag) : set.add(tag);
  button.setAttribute("aria-pressed", String(set.has(tag)));
  button.closest(".chip")?.classList.toggle("dropped", set.has(tag));
  sayTags();
}

/** What the form says otherwise than the page was sent. */
function corrections(form) {
  const changes = {};
  for (const field of ["key", "time_signature", "lyrics"]) {
    const input = form.elements[field];
    if (input.value !== input.dataset.was) changes[field] = input.value;
  }
  if (form.bpm.value !== form.bpm.dataset.was) changes.bpm = Number(form.bpm.value);
  if (form.caption.value !== form.caption.dataset.was) {
    if (form.caption.value.trim()) changes.caption = form.caption.value;
    else changes.clear = ["caption"];
  }
  const boxes = [...form.querySelectorAll("[name=style_ids]")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  if (form.other_style.value && !chosen.includes(form.other_style.value)) chosen.push(form.other_style.value);
  const were = boxes.filter((box) => box.defaultChecked).map((box) => box.value);
  if (chosen.length && chosen.join() !== were.join()) changes.style_ids = chosen;
  const added = [...now.added], written = form.add_tag.value.trim();
  if (written) added.push(written);
  if (added.length) changes.add_tags = added;
  if (now.dropped.size) changes.remove_tags = [...now.dropped];
  return changes;
}

async function save(event) {
  event.preventDefault();
  const name = who();
  if (!name) return;
  const changes = corrections(event.target);
  if (!Object.keys(changes).length) return toast("Nothing was changed.");
  const said = await send(`${now.base}${now.loaded.track_id}/edit`, { who: name, changes });
  if (!said) return;
  last = null;
  toast("Saved");
  await go(location.href, { push: false });
}

function listen() {
  const on = (selector, event, action) => find(selector)?.addEventListener(event, action);
  on("#play", "click", () => now.wave?.playPause());
  on("#back", "click", () => seek(-SEEK));
  on("#ahead", "click", () => seek(SEEK));
  on("#loop", "click", loop);
  on("#accept", "click", () => decide("accept"));
  on("#reject", "click", reject);
  on("#undo", "click", undo);
  on("#tap", "click", tap);
  on("#halve", "click", () => setTempo(find("[name=bpm]").value / 2));
  on("#double", "click", () => setTempo(find("[name=bpm]").value * 2));
  on("#decide", "submit", (event) => event.preventDefault());
  if (find("#save")) on("#edit", "submit", save);
  on("#rejecting", "close", () => {
    const dialog = find("#rejecting");
    if (dialog.returnValue === "reject") decide("reject", { reason: dialog.querySelector("[name=reason]").value });
  });
  for (const button of now.article.querySelectorAll("[data-drop]")) button.addEventListener("click", () => toggle(now.dropped, button.dataset.drop, button));
  for (const button of now.article.querySelectorAll("[data-offer]")) button.addEventListener("click", () => toggle(now.added, button.dataset.offer, button));
  for (const link of now.article.querySelectorAll("a[rel=next], a[rel=prev]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(link.href, { fresh: link.rel !== "next" });
    });
  }
}

function begin() {
  const article = document.getElementById("track");
  now = { article, loaded: JSON.parse(article.dataset.loaded), base: article.dataset.base, gaps: [], clipped: [], added: new Set(), dropped: new Set() };
  const input = find("#who"), kept = localStorage.getItem("lofi-who");
  if (input && kept) input.value = kept;
  taps = [];
  listen();
  startPlayer();
  loadAhead();
}

addEventListener("popstate", () => go(location.href, { push: false }));
begin();
keys({
  " ": ["Play or pause", () => now.wave?.playPause()],
  ArrowLeft: ["Back 5 seconds", () => seek(-SEEK)],
  ArrowRight: ["On 5 seconds", () => seek(SEEK)],
  ArrowDown: ["Next track", next],
  ArrowUp: ["Track before", before],
  l: ["Loop this bar", loop],
});
if (find("#accept")) {
  keys({
    a: ["Accept", () => !find("#accept").disabled && decide("accept")],
    r: ["Reject", reject],
    u: ["Undo the last decision", undo],
    t: ["Tap the tempo", tap],
  });
}
