/* Rows of a formset that grow without a round trip. Without JavaScript the same button saves the draft, which comes
   back with one more empty row. */

(() => {
  "use strict";

  for (const part of document.querySelectorAll("[data-rows]")) {
    const template = part.querySelector("template[data-rows-empty]");
    const total = part.querySelector('[name$="-TOTAL_FORMS"]');
    const button = part.querySelector("[data-rows-add]");

    button.addEventListener("click", (event) => {
      event.preventDefault();
      const copy = template.innerHTML.replaceAll("__prefix__", total.value);
      total.value = String(Number(total.value) + 1);
      template.insertAdjacentHTML("beforebegin", copy);
      template.previousElementSibling.querySelector("input").focus();
    });
  }
})();
