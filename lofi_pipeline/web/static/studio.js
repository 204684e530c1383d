// What every page of the studio can do: send a change, say what came of it, and be driven by keys.

/** Show a sentence for a while; a failure stays until it is clicked, and is not said twice. */
export function toast(sentence, bad = false) {
  if (bad && [...document.querySelectorAll(".toast.bad")].some((shown) => shown.textContent === sentence)) return;
  const made = document.createElement("div");
  made.className = bad ? "toast bad" : "toast";
  made.textContent = sentence;
  made.addEventListener("click", () => made.remove());
  document.getElementById("toasts").append(made);
  if (!bad) setTimeout(() => made.remove(), 4000);
}

const NO_ANSWER = "The server does not answer: is lofi ui still running?";

/** Send a change as JSON; the answer's data, or null when it was refused, which is said. */
export async function send(address, data = {}) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(data),
    });
  } catch {
    toast(NO_ANSWER, true);
    return null;
  }
  const text = await answer.text();
  let said;
  try { said = JSON.parse(text); } catch { said = { error: text }; }
  if (!answer.ok) {
    toast(said.error ?? answer.statusText, true);
    return null;
  }
  return said;
}

// A part of a page that could not be loaded stays as it was, and it is said why: see htmx-config in layout.html.
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const page = new DOMParser().parseFromString(ctx.text, "text/html");
  toast((page.querySelector(".error") ?? page.body).textContent.trim(), true);
});
document.addEventListener("htmx:error", () => toast(NO_ANSWER, true));

const known = new Map();

/** Let keys do things: {a: ["Accept", function]}. Not while somebody writes. */
export function keys(actions) {
  for (const [key, action] of Object.entries(actions)) known.set(key, action);
}

function writes(target) {
  return target.closest("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable], dialog[open]");
}

function showKeys() {
  const dialog = document.getElementById("keys"), list = dialog.querySelector("dl");
  list.replaceChildren();
  for (const [key, [meaning]] of known) {
    const term = document.createElement("dt"), said = document.createElement("dd"), cap = document.createElement("kbd");
    cap.textContent = { " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" }[key] ?? key;
    term.append(cap);
    said.textContent = meaning;
    list.append(term, said);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
  if (event.key === " " && event.target.closest("button, a, summary, input")) return;
  const action = event.key === "?" ? ["Show the keys", showKeys] : known.get(event.key);
  if (action) {
    event.preventDefault();
    action[1](event);
  }
});

// <button data-post="ADDRESS" data-body='{"...": ...}' data-confirm="Sure?">: sends, then loads the page anew.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-post]");
  if (!button || button.disabled) return;
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  button.disabled = true;
  const said = await send(button.dataset.post, JSON.parse(button.dataset.body ?? "{}"));
  button.disabled = false;
  if (said) said.location ? location.assign(said.location) : location.reload();
});

// Dagster's asset graph opens with its groups collapsed; its page keeps here which are open. What a person chose there stays.
const GRAPH_STATE = "asset-graph-open-graph-nodes-global-__GLOBAL__";
const dagster = document.querySelector("a[data-open-groups]");
if (dagster && localStorage.getItem(GRAPH_STATE) === null)
  localStorage.setItem(GRAPH_STATE, JSON.stringify({ expanded: dagster.dataset.openGroups }));
