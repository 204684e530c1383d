"""A listener in a real browser, who knows the key and is right as often as is asked; by mouse or by keyboard alone."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator
from playwright.sync_api import Page as RawPage

from lofi_pipeline.listening.records import Key, Role

SECTION = "main > section:not([hidden])"


@dataclass
class Listener:
    """At a page. `wrong`: in how many trials more it will err."""

    page: RawPage
    key: Key
    wrong: int = 0
    by_keyboard: bool = False

    @property
    def section(self) -> Locator:
        return self.page.locator(SECTION)

    @property
    def part(self) -> str:
        """Which part of the page is shown."""
        return self.section.get_attribute("id") or ""

    def begin(self) -> None:
        """Agree, and set the volume."""
        self.page.wait_for_selector("#welcome:not([hidden])")
        self.press(self.page.locator("#consent"), "Space")
        self.press(self.page.locator("#begin"))
        self.set_volume()

    def set_volume(self) -> None:
        self.page.wait_for_selector("#volume:not([hidden])")
        self.hear()
        self.press(self.section.locator(".next"))

    def press(self, at: Locator, key: str = "Enter") -> None:
        """Click; or go there by the tabulator, and press a key."""
        if not self.by_keyboard:
            at.click()
            return
        for _ in range(40):
            if at.evaluate("(element) => document.activeElement === element"):
                self.page.keyboard.press(key)
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"not reached by the keyboard: {at}")

    def hear(self) -> None:
        """Every clip that is shown, a little of each."""
        first = 0 if self.section.locator(".clip").count() > 2 else 1
        for number, clip in enumerate(self.section.locator(".clip").all(), start=first):
            if self.by_keyboard:
                self.page.keyboard.press(str(number))
            else:
                clip.locator("button").click()
            self.page.wait_for_function(
                "(clip) => clip.classList.contains('heard')", arg=clip.element_handle(), polling=20
            )

    def answer(self) -> None:
        """Hear, choose, and go on to what comes next."""
        trial = next(it for it in self.key.trials if it.trial == self.section.get_attribute("data-trial"))
        self.hear()
        options = [str(it.get_attribute("value")) for it in self.section.locator("input[type=radio]").all()]
        chosen = str(trial.right)
        if trial.role is Role.TRIAL and self.wrong:
            self.wrong -= 1
            chosen = next(name for name in options if name != trial.right)
        self.choose(options.index(chosen))
        before = f"{self.part} {trial.trial}"
        self.press(self.section.locator(".next"))
        self.page.wait_for_function(
            "([now, before]) => { const at = document.querySelector(now);"
            " return at && `${at.id} ${at.dataset.trial}` !== before; }",
            arg=[SECTION, before],
            polling=20,
        )
        if self.part == "told":
            self.press(self.section.locator(".next"))
            self.page.wait_for_selector("#trial:not([hidden])")

    def choose(self, place: int) -> None:
        if not self.by_keyboard:
            self.section.locator("input[type=radio]").nth(place).check()
            return
        self.press(self.section.locator("input[type=radio]").first, "Space")
        for _ in range(place):
            self.page.keyboard.press("ArrowDown")

    def finish(self) -> None:
        """Answer all that is left."""
        while self.part != "thanks":
            self.answer()
