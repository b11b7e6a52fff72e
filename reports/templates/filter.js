"use strict";
const form = document.getElementById("filter");
const wanted = form.elements;

function fits(element) {
  const group = element.closest("[data-filter-group]");
  const {machine = "", pairs = ""} = (group ?? element).dataset;
  return (!wanted.machine.value || machine === wanted.machine.value)
    && (!wanted.pair.value || pairs.split("\n").includes(wanted.pair.value))
    && (!wanted.notable.checked || "notable" in element.dataset)
    && wanted.text.value.toLowerCase().split(/\s+/).every(word => element.textContent.toLowerCase().includes(word));
}

function filter() {
  for (const element of document.querySelectorAll("[data-filter]")) element.hidden = !fits(element);
  for (const group of document.querySelectorAll("[data-filter-group]"))
    group.hidden = !group.querySelector("[data-filter]:not([hidden])");
  const count = (selector, which) => document.querySelectorAll(selector + which).length;
  const shown = selector => `${count(selector, ":not([hidden])")} of ${count(selector, "")}`;
  wanted.shown.value = `${shown("#runs tbody tr")} runs and ${shown("#trends .strips tbody tr")} trends shown`;
}

form.addEventListener("input", filter);
form.addEventListener("submit", event => event.preventDefault());
form.hidden = false;
filter();
