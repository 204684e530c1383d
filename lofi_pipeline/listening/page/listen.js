// A listener's page: the same from a server and from a folder on disk. It knows nothing of which clip is which.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { sheet, mode } = data;
  const CONSENT = "0".repeat(12);
  const NAMES = ["First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth"];
  const byId = (id) => document.getElementById(id);
  const problem = byId("problem");

  // Where answers are kept: by the server, or in this browser until they are saved as a file.
  const stored = `lofi-listen-${sheet.test}`;
  const random = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");

  function ownAnswers() {
    try {
      const found = JSON.parse(localStorage.getItem(stored));
      if (found && found.test === sheet.test) return found;
    } catch { /* nothing is stored, or nothing can be */ }
    const plan = parseInt(random(4), 16) % sheet.plans.length;
    return { test: sheet.test, listener: random(12), plan, answers: [] };
  }

  const own = mode === "file" ? ownAnswers() : null;
  const plan = sheet.plans[(own ? own.plan : data.plan) % sheet.plans.length];
  const answered = new Set(own ? own.answers.map((answer) => answer.trial) : data.answered);

  async function keep(answer) {
    if (own) {
      own.answers.push({ ...answer, when: new Date().toISOString().replace(/\.\d+Z$/, "Z") });
      try { localStorage.setItem(stored, JSON.stringify(own)); } catch { problem.textContent = "This browser keeps nothing: do not reload the page before you have saved your answers."; }
    } else {
      const response = await fetch("answers", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(answer),
      }).catch(() => { throw new Error("the server does not answer"); });
      if (!response.ok) {
        const said = await response.json().catch(() => ({}));
        throw new Error(said.error || `the server says ${response.status}`);
      }
    }
    answered.add(answer.trial);
  }

  // The way through the test
  const parts = (part) => sheet.trials.filter((trial) => trial.part === part);
  const trials = parts("trial");
  const steps = [
    { show: "welcome", trial: { trial: CONSENT } },
    { show: "volume" },
    ...parts("headphones").map((trial, n) => ({ show: "headphones", trial, shown: trial.clips, number: n + 1 })),
    ...parts("practice").map((trial) => ({ show: "trial", trial, shown: trial.clips, practice: true })),
    ...plan.order.map((index, at) => ({
      show: "trial", trial: trials[index], shown: plan.shown[at].map((place) => trials[index].clips[place]), number: at + 1,
    })),
    { show: "thanks" },
  ];
  const begun = trials.some((trial) => answered.has(trial.trial));
  let at = steps.findIndex((step) => {
    if (step.show === "thanks") return true;
    if (step.show === "volume") return false; // comes again with what follows
    if (step.practice && begun) return false;
    return !answered.has(step.trial.trial);
  });
  if (at > 1 && steps[at].show !== "thanks") at = -at; // after a reload: the volume first

  function show(id) {
    stop();
    problem.textContent = "";
    document.querySelectorAll("main > section").forEach((section) => { section.hidden = section.id !== id; });
    const bar = byId("progress");
    bar.max = steps.length - 1;
    bar.value = Math.abs(at);
    byId("main").focus({ preventScroll: true });
    scrollTo(0, 0);
    return byId(id);
  }

  // Players
  let players = [];
  function stop() { players.forEach((player) => player.audio.pause()); players = []; }

  function player(clip, name, whenHeard) {
    const audio = new Audio(`clips/${clip}.wav`);
    const row = document.createElement("div");
    const button = document.createElement("button");
    const bar = document.createElement("progress");
    row.className = "clip";
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.textContent = `Play ${name}`;
    bar.max = 1; bar.value = 0;
    bar.setAttribute("aria-label", `How far ${name} has played`);
    row.append(button, bar);
    const found = { audio, row, heard: false, toggle: () => {
      if (!audio.paused) { audio.pause(); return; }
      players.forEach((other) => { if (other !== found) { other.audio.pause(); other.audio.currentTime = 0; } });
      audio.play().catch((error) => { if (error.name !== "AbortError") problem.textContent = "This clip can't be played. Reload the page; if it stays so, tell who asked you."; });
    } };
    button.addEventListener("click", found.toggle);
    audio.addEventListener("play", () => { button.setAttribute("aria-pressed", "true"); button.textContent = `Pause ${name}`; });
    audio.addEventListener("pause", () => { button.setAttribute("aria-pressed", "false"); button.textContent = `Play ${name}`; });
    audio.addEventListener("timeupdate", () => {
      bar.value = audio.duration ? audio.currentTime / audio.duration : 0;
    });
    audio.addEventListener("playing", () => { found.heard = true; row.classList.add("heard"); whenHeard(); });
    players.push(found);
    return found;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !/^\d$/.test(event.key)) return;
    const step = current();
    const offset = step && step.trial && step.trial.reference ? 0 : 1;
    const chosen = players[Number(event.key) - offset];
    if (chosen) { event.preventDefault(); chosen.toggle(); }
  });

  function current() { return at < 0 ? { show: "volume" } : steps[at]; }

  // Steps
  function fill(section, clips) {
    const next = section.querySelector(".next");
    const ready = () => {
      const chosen = !section.querySelector("input[type=radio]") || section.querySelector("input[type=radio]:checked");
      next.disabled = !(players.every((each) => each.heard) && chosen);
    };
    section.querySelector(".clips").replaceChildren(...clips.map(([clip, name]) => player(clip, name, ready).row));
    next.disabled = true;
    section.onchange = ready;
    return next;
  }

  function choice(name, value, text) {
    const row = document.createElement("div");
    const input = document.createElement("input");
    const label = document.createElement("label");
    row.className = "choice";
    Object.assign(input, { type: "radio", name, value, id: `choice-${value}` });
    label.htmlFor = input.id;
    label.textContent = text;
    row.append(input, label);
    return row;
  }

  function slider(clip, text) {
    const row = document.createElement("div");
    const input = document.createElement("input");
    const label = document.createElement("label");
    const output = document.createElement("output");
    row.className = "choice";
    Object.assign(input, { type: "range", min: 0, max: 100, step: 1, value: 50, id: `choice-${clip}` });
    input.dataset.clip = clip;
    label.htmlFor = input.id;
    label.textContent = text;
    output.textContent = "50";
    input.addEventListener("input", () => { output.textContent = input.value; });
    row.append(label, input, output);
    return row;
  }

  function ask(section, step, began) {
    const form = section.querySelector("form");
    form.onsubmit = async (event) => {
      event.preventDefault();
      const next = section.querySelector(".next");
      if (next.disabled) return;
      const seconds = Math.round((performance.now() - began) / 100) / 10;
      const sliders = [...form.querySelectorAll("input[type=range]")];
      const given = sliders.length
        ? { ratings: Object.fromEntries(sliders.map((input) => [input.dataset.clip, Number(input.value)])) }
        : { chosen: form.querySelector("input[type=radio]:checked").value };
      next.disabled = true;
      try {
        await keep({ trial: step.trial.trial, seconds, ...given });
        if (step.practice) tell(step, given); else go();
      } catch (error) {
        next.disabled = false;
        problem.textContent = `Your answer was not kept: ${error.message}. Try again.`;
      }
    };
  }

  function tell(step, given) {
    const section = show("told");
    const place = NAMES[step.shown.indexOf(step.trial.answer)].toLowerCase();
    byId("answer").textContent = sheet.kind === "rate"
      ? `The reference was hidden as the ${place}; you gave it ${given.ratings[step.trial.answer]} points.`
      : `The machine made the ${place}. You were ${given.chosen === step.trial.answer ? "right" : "wrong"}.`;
    const next = section.querySelector(".next");
    next.onclick = go;
    next.focus();
  }

  function go() { at = at < 0 ? -at : at + 1; open(); }

  function open() {
    const step = current();
    const section = show(step.show);
    const began = performance.now();
    section.dataset.trial = step.trial ? step.trial.trial : "";
    if (step.show === "welcome") {
      byId("consent").onchange = (event) => { byId("begin").disabled = !event.target.checked; };
      byId("begin").onclick = () => keep({ trial: CONSENT, chosen: "yes" }).then(go, (error) => { problem.textContent = `${error.message}. Try again.`; });
    } else if (step.show === "volume") {
      fill(section, [[parts("practice")[0].clips[0], "the music"]]).onclick = go;
    } else if (step.show === "headphones") {
      section.querySelector("h1").textContent = `Headphones on? ${step.number} of ${parts("headphones").length}`;
      fill(section, [[step.shown[0], "the three tones"]]);
      section.querySelector(".choices").replaceChildren(...["1", "2", "3"].map((value, n) => choice("tone", value, `${NAMES[n]} tone`)));
      ask(section, step, began);
    } else if (step.show === "trial") {
      section.querySelector("h1").textContent = step.practice ? "To practise" : `${step.number} of ${plan.order.length}`;
      const clips = step.shown.map((clip, n) => [clip, `the ${NAMES[n].toLowerCase()}`]);
      if (step.trial.reference) clips.unshift([step.trial.reference, "the reference"]);
      fill(section, clips);
      const make = sheet.kind === "rate" ? (clip, n) => slider(clip, NAMES[n]) : (clip, n) => choice("machine", clip, `The ${NAMES[n].toLowerCase()}`);
      section.querySelector(".choices").replaceChildren(...step.shown.map(make));
      ask(section, step, began);
    } else if (own) {
      byId("save").onclick = () => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([JSON.stringify(own)], { type: "application/json" }));
        link.download = `answers-${sheet.test}-${own.listener}.json`;
        link.click();
      };
    }
  }
  open();
})();
