// A waveform player for each <div data-wave="AUDIO" data-peaks="PEAKS">. The peaks come from the server: {"duration": s, "peaks": [[...]]}.
import WaveSurfer from "./vendor/wavesurfer.esm.js";

const nonce = document.querySelector('meta[name="style-nonce"]')?.content;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The player of an element, made when first asked for. */
export async function player(element, options = {}) {
  if (element.wave) return element.wave;
  const { duration, peaks } = await (await fetch(element.dataset.peaks)).json();
  element.wave = WaveSurfer.create({
    container: element,
    url: element.dataset.wave,
    peaks,
    duration,
    height: 96,
    normalize: true,
    waveColor: colour("--wave"),
    progressColor: colour("--played"),
    cursorColor: colour("--ink"),
    cspNonce: nonce,
    ...options,
  });
  return element.wave;
}

for (const element of document.querySelectorAll("[data-wave]:not([data-later])")) player(element);
