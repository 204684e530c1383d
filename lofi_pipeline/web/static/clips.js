// Clips side by side: <table data-clips> with <button class="clip" data-audio="ADDRESS" data-gain="DECIBEL">. A click plays or stops; arrow keys
// step from clip to clip and go on at the same place; space stops. A script of its own, no module: reports run it from the disk.
"use strict";
(() => {
  const audio = new Audio();
  let context, gain, playing = null;
  document.body.append(audio);

  // From the disk a browser gives no sound to Web Audio: there the volume is set, and all gains are at most 0 dB.
  function loudness(decibel) {
    const factor = 10 ** (decibel / 20);
    if (location.protocol === "file:") {
      audio.volume = Math.min(1, factor);
      return;
    }
    if (!context) {
      context = new AudioContext();
      gain = context.createGain();
      context.createMediaElementSource(audio).connect(gain).connect(context.destination);
    }
    context.resume();
    gain.gain.value = factor;
  }

  function stop() {
    audio.pause();
    playing?.setAttribute("aria-pressed", "false");
    playing = null;
  }

  function play(button, from = 0) {
    stop();
    loudness(Number(button.dataset.gain));
    audio.src = button.dataset.audio;
    if (from) audio.addEventListener("loadedmetadata", () => { audio.currentTime = Math.min(from, audio.duration); }, { once: true });
    playing = button;
    button.setAttribute("aria-pressed", "true");
    button.focus({ preventScroll: false });
    audio.play().catch(() => { if (playing === button) stop(); });
  }

  audio.addEventListener("ended", stop);

  function step(button, down, right) {
    const row = button.closest("tr"), place = [...row.cells].indexOf(button.closest("td"));
    let at = row, cell = place;
    do {
      cell += right;
      if (down) at = down > 0 ? at.nextElementSibling : at.previousElementSibling;
      if (!at || cell < 1 || cell >= at.cells.length) return null;
    } while (!at.cells[cell].querySelector(".clip"));
    return at.cells[cell].querySelector(".clip");
  }

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".clip");
    if (button) button === playing ? stop() : play(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const button = event.target.closest(".clip");
    if (event.key === " " && playing && !event.target.closest("button, a, summary, input, textarea, select")) {
      event.preventDefault();
      stop();
    } else if (button?.closest("[data-clips]") && steps[event.key]) {
      event.preventDefault();
      const next = step(button, ...steps[event.key]);
      if (next) {
        const sameRow = next.closest("tr") === button.closest("tr");
        playing ? play(next, sameRow ? audio.currentTime : 0) : next.focus();
      }
    }
  });
})();
