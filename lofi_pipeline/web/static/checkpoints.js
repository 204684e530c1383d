// A person's word on a checkpoint: a form whose button says which, and whose field says why.
import { keys, send } from "./studio.js";

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.word");
  if (!form) return;
  event.preventDefault();
  const said = await send(`${form.dataset.address}/${event.submitter.value}`, { why: form.elements.why.value });
  if (said) location.reload();
});

function first() {
  document.querySelector(".clip")?.focus();
}

keys({ c: ["To the first clip; arrow keys step, space plays and stops", first] });
