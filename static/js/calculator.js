/* The application form's calculator, live: GPUs × hours × runs. The server computes the same on saving, in whole
   minutes; this only shows it sooner, and lets the requested amount follow until somebody writes another one. */

(() => {
  "use strict";

  const part = document.querySelector("[data-calculator]");
  if (!part) return;
  const input = (name) => part.querySelector(`[name="${name}"]`);
  const [gpus, hours, runs, requested] = ["gpus_per_job", "hours_per_run", "runs", "requested_hours"].map(input);
  const product = part.querySelector("[data-calculator-product]");
  const differs = part.querySelector("[data-calculator-differs]");
  const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });

  const written = (field) => Number(field.value.replaceAll(",", "").trim() || NaN);
  const asWritten = (gpuMinutes) => String(Math.round((gpuMinutes * 100) / 60) / 100);

  function gpuMinutes() {
    const minutes = written(gpus) * Math.round(written(hours) * 60) * written(runs);
    return Number.isFinite(minutes) && minutes > 0 ? minutes : null;
  }

  let last = gpuMinutes();

  function show() {
    const minutes = gpuMinutes();
    product.textContent = minutes === null ? "–" : format.format(minutes / 60);
    differs.hidden = minutes === null || Math.round(written(requested) * 60) === minutes;
  }

  function recalculate() {
    const minutes = gpuMinutes();
    const followed = !requested.value.trim() || (last !== null && requested.value.trim() === asWritten(last));
    if (minutes !== null && followed) requested.value = asWritten(minutes);
    if (minutes !== null) last = minutes;
    show();
  }

  // The server then takes the amount as it is written: it need not guess whether it was meant to follow.
  const live = document.createElement("input");
  Object.assign(live, { type: "hidden", name: "calculator", value: "live" });
  part.append(live);

  for (const field of [gpus, hours, runs]) field.addEventListener("input", recalculate);
  requested.addEventListener("input", show);
  show();
})();
