/* The application form's calculators, live, one for each GPU kind: GPUs × hours × runs with a margin, and from model
   size and tokens. The server computes the same on saving, in whole minutes (allocations/calculators.py); this only
   shows it sooner, and lets the requested amount follow until somebody writes another one. */

(() => {
  "use strict";

  const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
  const number = (text) => Number(text.replaceAll(",", "").trim() || NaN);
  const written = (field) => number(field.value);
  const asWritten = (gpuMinutes) => String(Math.round((gpuMinutes * 100) / 60) / 100);

  /** Writing by script says so, for the autosave and for what the pool has free. */
  function write(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function runs(part) {
    const input = (name) => part.querySelector(`[name="${part.dataset.prefix}-${name}"]`);
    const [gpus, hours, count, margin, requested] = ["gpus_per_job", "hours_per_run", "runs", "margin", "requested"].map(input);
    const product = part.querySelector("[data-calculator-product]");
    const differs = part.querySelector("[data-calculator-differs]");

    /** Of what is written now, or of what the page came with. */
    function gpuMinutes(property = "value") {
      const said = (field) => number(field[property]);
      const minutes = said(gpus) * Math.round(said(hours) * 60) * said(count);
      const percent = margin[property].trim() ? said(margin) : 0;
      const whole = Math.ceil((minutes * (100 + percent)) / 100);
      return Number.isFinite(whole) && whole > 0 ? whole : null;
    }

    let last = gpuMinutes("defaultValue");

    function show() {
      const minutes = gpuMinutes();
      product.textContent = minutes === null ? "–" : format.format(minutes / 60);
      differs.hidden = minutes === null || Math.round(written(requested) * 60) === minutes;
    }

    function recalculate() {
      const minutes = gpuMinutes();
      const followed = !requested.value.trim() || (last !== null && requested.value.trim() === asWritten(last));
      if (minutes !== null && followed) write(requested, asWritten(minutes));
      if (minutes !== null) last = minutes;
      show();
    }

    const factors = [gpus, hours, count, margin];
    for (const field of factors) field.addEventListener("input", recalculate);
    requested.addEventListener("input", show);
    // Over a slow line somebody may have written before this was there.
    if (factors.some((field) => field.value !== field.defaultValue)) recalculate();
    else show();
    return requested;
  }

  function training(part, requested) {
    const box = part.querySelector("[data-training]");
    if (!box) return;
    const [parameters, tokens, efficiency] = ["parameters", "tokens", "efficiency"].map((name) =>
      box.querySelector(`[data-training-${name}]`),
    );
    const result = box.querySelector("[data-training-result]");
    const take = box.querySelector("[data-training-take]");

    function gpuMinutes() {
      const flop = 6 * written(parameters) * written(tokens) * 1e8;
      const minutes = Math.ceil(flop / (Number(box.dataset.peakTflops) * written(efficiency) * 60));
      return Number.isFinite(minutes) && minutes > 0 ? minutes : null;
    }

    function show() {
      const minutes = gpuMinutes();
      result.textContent = minutes === null ? "–" : format.format(minutes / 60);
      take.disabled = minutes === null;
    }

    for (const field of [parameters, tokens, efficiency]) field.addEventListener("input", show);
    take.addEventListener("click", () => {
      write(requested, asWritten(gpuMinutes()));
      requested.dispatchEvent(new Event("change", { bubbles: true }));
      requested.focus();
    });
    box.hidden = false;
    show();
  }

  const parts = document.querySelectorAll("[data-calculator]");
  for (const part of parts) training(part, runs(part));

  // The server then takes amounts as they are written: it need not guess whether they were meant to follow.
  const live = document.createElement("input");
  Object.assign(live, { type: "hidden", name: "calculator", value: "live" });
  parts[0]?.append(live);
})();
