// A blind comparison, by keys or by touch: hear A or B, say which, go back.
import { keys, send } from "./studio.js";

const form = document.getElementById("begin"), choice = document.getElementById("vote");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { one, other, who, clips } = form.elements;
  const said = await send(form.dataset.address, {
    one: one.value, other: other.value, who: who.value, clips: Number(clips.value),
  });
  if (said) location.assign(said.location);
});

async function vote(side) {
  const said = await send(`${choice.dataset.address}/vote`, { trial: Number(choice.dataset.trial), side });
  if (said) location.assign(said.location);
}

choice?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-side]");
  if (button) vote(button.dataset.side);
});

const press = (id) => () => document.getElementById(id)?.click();
if (choice) {
  keys({
    a: ["Hear A, or stop", press("hear-A")],
    b: ["Hear B, or stop", press("hear-B")],
    ArrowLeft: ["A is better", () => vote("A")],
    ArrowRight: ["B is better", () => vote("B")],
    n: ["Neither is better", () => vote("neither")],
  });
}
keys({ u: ["Back to the pair before", press("back")], e: ["End, once all are heard", press("end")] });
